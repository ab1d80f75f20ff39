"""What is measured: workloads, the styles that hang them on a route, and one mount per framework."""
