"""How much memory there is."""

from __future__ import annotations

from paddleseg_lite.prepare import memory


def test_a_container_has_less_than_its_machine(monkeypatch, tmp_path):
    """A batch for the machine's memory would end the process."""
    whole = memory.total_memory()
    assert whole is None or whole > 1 << 28
    limit = tmp_path / "memory.max"
    limit.write_text("1000000000\n")
    monkeypatch.setattr(memory, "_LIMITS", (str(limit), str(tmp_path / "none")))
    assert memory.total_memory() in (1_000_000_000, None)
    limit.write_text("max\n")
    assert memory.total_memory() != 1_000_000_000
