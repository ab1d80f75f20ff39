"""What is measured: workloads, the styles that hang them on a route, and one mount per framework. May be imported by
`environments` and the rooms above; it imports nothing of the harness, since it also runs elsewhere."""
