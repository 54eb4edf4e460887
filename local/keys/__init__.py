"""Local key material: made once by `make setup`, because the app itself never makes any."""
