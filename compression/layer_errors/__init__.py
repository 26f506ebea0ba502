"""What quantization costs each layer: the finished file beside a float32 file of the same model, tensor by tensor."""
