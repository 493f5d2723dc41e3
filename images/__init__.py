"""Pictures, the code that draws them, and the plots of the notebooks."""
