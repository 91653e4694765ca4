"""`frozenvl serve`: a page in the browser to try a trained model."""
