"""What computes in half precision: told by Paddle while it lists a network's operations, without a GPU."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import paddle
import paddle.nn.functional as F
import pytest
from paddle import nn

from paddleseg_lite.engine.precision import casting
from paddleseg_lite.errors import UserError
from paddleseg_lite.models import LRASPP, LPSNet
from paddleseg_lite.models.mobilenetv3 import MobileNetV3_large_x1_0, MobileNetV3_small_x1_0_os8


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> dict:
    """A GPU as far as the questions about one go; the dict is what they are answered."""
    facts = {"capability": (8, 0), "float16": True, "bfloat16": True}
    monkeypatch.setattr(paddle, "get_device", lambda: "gpu:0")
    monkeypatch.setattr(paddle.device.cuda, "get_device_name", lambda: "NVIDIA A100")
    monkeypatch.setattr(paddle.device.cuda, "get_device_capability", lambda: facts["capability"])
    monkeypatch.setattr(paddle.amp, "is_float16_supported", lambda: facts["float16"])
    monkeypatch.setattr(paddle.amp, "is_bfloat16_supported", lambda: facts["bfloat16"])
    return facts


@pytest.fixture
def listing(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let Paddle list operations instead of doing them, as on a GPU in their types.

    It lists what there are kernels for, and on a CPU lacks two in bfloat16. Their stand-ins keep their
    argument's type, as both do on a GPU.
    """
    paddle.enable_static()
    if not getattr(paddle.framework, "in_pir_mode", bool)():
        paddle.disable_static()
        pytest.skip("this Paddle does not cast while it lists operations")
    monkeypatch.setattr(nn.BatchNorm2D, "forward", lambda self, x: F.relu(x))
    monkeypatch.setattr(F, "hardsigmoid", lambda x, *args, **options: F.relu(x))
    with paddle.static.program_guard(paddle.static.Program(), paddle.static.Program()):
        yield
    paddle.disable_static()


NETWORKS = {
    "lraspp": lambda: LRASPP(4, MobileNetV3_large_x1_0()),
    "lraspp_os8": lambda: LRASPP(4, MobileNetV3_small_x1_0_os8(), use_gap=False),
    "lpsnet": lambda: LPSNet([1, 1, 2, 1, 1], [4, 8, 8, 8, 8], [1.0, 0.5, 0.25], num_classes=4),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_every_layer_computes_in_half_precision(gpu, listing, name):
    """One float32 result would make all that follows float32: slower, and of twice the memory.

    Only the logits are enlarged in float32, which the losses want in any case.
    """
    model, types = NETWORKS[name](), {}

    def note(key: str) -> Callable[..., None]:
        return lambda layer, inputs, output: types.update({key: str(getattr(output, "dtype", ""))})

    for key, layer in model.named_sublayers():
        layer.register_forward_post_hook(note(key))
    images = paddle.static.data("images", [1, 3, 800, 800], "float32")
    with paddle.amp.auto_cast(**casting("bf16", "O1")):
        logits = model(images)[0]
    assert len(types) > 50
    assert {key: dtype for key, dtype in types.items() if "float32" in dtype} == {}
    assert logits.dtype == paddle.float32


@pytest.mark.parametrize(
    ("precision", "facts", "said"),
    [
        ("bf16", {"bfloat16": False, "capability": (7, 5)}, "has no effect on NVIDIA A100 .*8.0 or more"),
        ("bf16", {"capability": (7, 5)}, "compute capability 7.5.*--precision fp16 or fp32"),
        ("fp16", {"float16": False}, "has no effect on NVIDIA A100 .*--precision fp32"),
        ("fp16", {"capability": (6, 1)}, "capability 6.1.*7.0 or more"),  # is_float16_supported says yes
    ],
)
def test_a_precision_that_the_gpu_lacks_is_refused(gpu, precision, facts, said):
    """Paddle would warn once and train in float32 to the end."""
    assert casting(precision, "O1")["enable"]
    gpu.update(facts)
    with pytest.raises(UserError, match=said):
        casting(precision, "O1")
    assert not casting("fp32", "O1")["enable"]
