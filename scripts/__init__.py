"""What runs on the machine of whoever deploys, before and after `azd provision` and after `azd deploy`: Python and `az`, nothing else."""
