"""An evaluation as people look at it: one HTML file, and a comparison with another evaluation."""
