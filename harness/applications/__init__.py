"""What is served and requested, behind one seam: a workload of ours on a mount, or an application of the user's with
its requests, secrets and commands. May be imported by `deploy`, `load` and the rooms above; it may import
`environments` and the rooms below."""
