"""Numbers only: intervals, quantiles, steadiness. Pure."""
