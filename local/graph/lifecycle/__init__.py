"""What happens to a subscription without its owner: authorization that ends, lifecycle notifications, removal."""
