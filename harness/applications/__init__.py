"""Served applications, behind one protocol: a workload of ours on a mount, or an application of the user's."""
