"""Numbers only, no cell: intervals, quantiles, steadiness. Pure. May be imported by `environments` and the rooms above;
it may import `model` and the rooms below."""
