"""The probes of all operators, a module per family.

Shapes are QNN's: channels last for images, weights HWIO, FullyConnected weights (out, in).
"""
