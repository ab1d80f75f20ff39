"""What is served and requested, behind one seam: a workload of ours on a mount, or an application of the user's."""
