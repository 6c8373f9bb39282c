"""What compiling may take, met by real compile children: memory and the size of a file."""

import resource
import signal
import subprocess

ENOUGH_FOR_SMALL_MODULES = 2 << 20  # bytes of a file; the artifact of `heavy` has more than four


def is_refused_and_nothing_else_happens(node, code, *words):
    answer = node.upload("heavy", name="bad-bot-blocker")
    assert (answer.status, answer.json["code"], answer.json["status"]) == (422, code, "still_serving_1.0.0"), answer
    assert all(word in answer.json["error"] for word in words), answer
    assert node.compile_child() is None and node.history()[0]["code"] == code
    assert node.site("/", headers={"User-Agent": "BadBot"}).status == 403
    assert node.upload("bad-bot-blocker-1.1.0").status == 200, "others compile within the same limit"


def test_a_module_that_takes_more_memory_to_compile_than_it_may_is_told_the_limit(make_node):
    node = make_node(tables={"waf.wasm.reload": {"compile_memory_mib": 64}})
    is_refused_and_nothing_else_happens(node, "memory_limit", "Compiling the module needs more memory than the limit of 64 MiB")


def test_a_compile_that_writes_a_larger_file_than_it_may_is_ended(make_node):
    node = make_node()
    # The child takes the lower of its own limit, which no configuration changes, and the one that it inherits.
    resource.prlimit(node.process.pid, resource.RLIMIT_FSIZE, (ENOUGH_FOR_SMALL_MODULES, ENOUGH_FOR_SMALL_MODULES))
    is_refused_and_nothing_else_happens(node, "compile_failed", "a larger file than it may")


def test_the_child_sets_the_limit_itself(build, folder):
    artifact = folder / "allow_all.cwasm"
    done = subprocess.run([build / "bin" / "secbeat", "compile", "--child", "--file-limit-mib", "0", "--no-cost", "--module",
                           build / "guests" / "allow_all.wasm", "--output", artifact], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == -signal.SIGXFSZ and done.stdout == "", done
    assert not artifact.exists() or artifact.stat().st_size == 0
