"""What a fit takes."""

from __future__ import annotations

from frozenvl.plan.forecast import Device


def test_a_pass_reads_all_weights_twice_however_few_its_operations():
    device = Device(bandwidth=1.0, peak=1000.0, share=0.5, memory_bandwidth=100.0)
    assert device.seconds(operations=1e6, weights=1) == 2000
    assert device.seconds(operations=1.0, weights=1000) == 20
