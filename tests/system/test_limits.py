"""The limits of a site, as SITE.toml has them, are those that systemd and the kernel hold for it."""

from __future__ import annotations

from tests.support.in_machine import show
from tests.support.machine import Machine

SLICE = "linod-shop.slice"
GROUP = f"/sys/fs/cgroup/linod.slice/{SLICE}"


def test_slice_and_runtime_folder_of_a_site(shop: Machine) -> None:
    assert show(shop, "linod-supervisor@shop", "Slice") == SLICE
    assert show(shop, "linod-shop-ticks.service", "Slice") == SLICE
    limits = 'memory_max = "123M"\ntasks_max = 77\ncpu_weight = 50\nruntime_max = "2M"\n'
    shop.write("/tmp/limits", limits)
    shop.sh("cat /tmp/limits >> /etc/linod/shop.toml && linod-generate-units && systemctl daemon-reload")
    found = [show(shop, SLICE, name) for name in ("MemoryMax", "TasksMax", "CPUWeight")]
    assert found == [str(123 * 2**20), "77", "50"]
    said = shop.run("linod", "--site", "shop", "status", "-v", check=False).stdout
    assert f"{SLICE}: " in said and "(at most 77); CPU weight 50" in said and "at most 123.0 MiB" in said
    assert SLICE in shop.sh("systemd-cgls --no-pager")
    # Delegate=yes: the groups that a job makes are counted, whoever may make them.
    assert shop.read(f"{GROUP}/cgroup.max.descendants") == "1000\n"
    made = shop.sh(
        f"cd {GROUP} && for n in $(seq 1100); do mkdir g$n 2>/dev/null || break; done; ls -d g* | wc -l"
    )
    assert 900 < int(made) < 1000
    shop.sh(f"rmdir {GROUP}/g*")
    # A start of linod-generate@shop that comes in between wants the mount, and cancels its stop.
    anew = "systemctl stop linod.target run-linod-shop.mount && systemctl start linod.target"
    shop.poll(
        lambda: shop.run("bash", "-c", anew, check=False).returncode == 0, 30, "the mount to be made anew"
    )
    shop.sh("systemctl start linod-shop-does_nothing")
    full = "dd if=/dev/zero of=/run/linod/shop/shared/big bs=64k count=1000 2>&1 || true"
    assert "No space left" in shop.run("sh", "-c", full, user="shop").stdout
    assert shop.sh("df --output=pcent /run | tail -1").strip() != "100%"
    shop.sh("systemctl daemon-reload")


def test_wrong_limits_are_named(shop: Machine) -> None:
    for line, said in (
        ('memory_max = "lots"', "memory_max is 'lots': give a size"),
        ("tasks_max = 0", "tasks_max is 0: give a number from 16"),
        ('cpu_weight = "1"', "cpu_weight is '1': give a number from 1 to 10000"),
        ("rules_max = true", "rules_max is True: give a number"),
    ):
        shop.write("/tmp/line", f"{line}\n")
        shop.sh("cp /etc/linod/shop.toml /tmp/before && cat /tmp/line >> /etc/linod/shop.toml")
        done = shop.run("linod-generate-units", "--site", "shop", check=False)
        assert (done.returncode, said in done.stderr) == (2, True), done.stderr
        shop.sh("cp /tmp/before /etc/linod/shop.toml")
