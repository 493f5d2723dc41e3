"""Pictures, the code that draws them, and the figures and tables of the notebooks."""
