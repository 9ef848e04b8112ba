"""Images -> logits -> labels: evaluation, prediction, videos."""
