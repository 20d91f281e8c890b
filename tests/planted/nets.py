"""Mistakes in nets/."""

from tests.planting import Mistake

MISTAKES = [
    Mistake(
        "nets/layers.py",
        "nn.init.normal_(layer.weight, std=1e-3)",
        "nn.init.normal_(layer.weight, std=1e-2)",
        "tests/nets/test_layers.py",
    ),
    Mistake("nets/resnet.py", "last.weight /= depth**0.5", "last.weight /= depth", "tests/nets/test_resnet.py"),
    Mistake(
        "nets/gated.py",
        "return self.value(h) * self.gate(h).sigmoid()",
        "return self.value(h) * self.gate(h).tanh()",
        "tests/nets/test_gated.py",
    ),
    Mistake("nets/conv.py", "padding=(kernel - 1) // 2)", "padding=kernel // 2)", "tests/nets/test_nets.py"),
    Mistake(
        "nets/layers.py",
        "return nn.Sequential(*layers[:-1])",
        "return nn.Sequential(*layers)",
        "tests/nets/test_layers.py",
    ),
    Mistake("nets/precision.py", "return raw.to(inputs[0].dtype)", "return raw", "tests/nets/test_nets.py"),
]
