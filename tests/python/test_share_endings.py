"""allcores.share: when objects die, and what is left when an interpreter or the process ends."""

import gc
import threading

import pytest
import share_objects
from programs import run_program
from share_fixtures import counter, worker
from share_objects import make

from allcores import Channel, Interpreter, OwnerGone, share

__all__ = ["counter", "worker"]  # the fixtures


def test_the_last_proxy_takes_the_object_along(worker):
    deaths = Channel()
    proxy = worker.call(make, "Dying", deaths)
    with Interpreter() as other:
        held = other.call(make, "list", [proxy])
        del proxy
        gc.collect()
        assert len(deaths) == 0
        del held
        # Whoever drops it, it dies at home.
        assert deaths.pop(timeout=60) == "owner"


def test_an_undecoded_message_holds_it(worker):
    deaths, channel = Channel(), Channel()
    channel.push(worker.call(make, "Dying", deaths))
    assert len(deaths) == 0
    channel.poison()
    assert deaths.pop(timeout=60) == "owner"


def test_a_main_object_dies_in_main(worker):
    deaths = Channel()
    held = worker.call(make, "list", [share(share_objects.Dying(deaths))])
    del held
    while True:
        try:
            assert deaths.pop(timeout=0.01) == "main"
            break
        except TimeoutError:
            pass  # it dies between two bytecodes of the main thread


def test_calls_from_del_and_gc(worker, counter):
    share_objects.CallsAtDeath(counter)
    assert counter.number == 1005
    cycle = [share_objects.CallsAtDeath(counter)]
    cycle.append(cycle)
    del cycle
    gc.collect()
    assert counter.number == 2005


def test_the_owner_ends():
    owner = Interpreter("short-lived")
    counter = owner.call(make, "Counter", 5)
    kept = {counter: 1}
    method, iterator = counter.add, iter(owner.call(make, "list", [1, 2]))
    assert owner.destroy() is True
    for use in (
        lambda: counter.add(1),
        lambda: counter.number,
        lambda: setattr(counter, "number", 1),
        lambda: len(counter),
        lambda: method(),
        lambda: next(iterator),
        lambda: str(counter),
        lambda: counter + 1,
        lambda: list(counter),
        lambda: counter == counter.itself(),
        lambda: counter.__enter__(),
    ):
        with pytest.raises(OwnerGone, match='"short-lived" has ended'):
            use()
    assert issubclass(OwnerGone, RuntimeError)
    assert repr(counter).endswith('"short-lived", ended>')
    assert kept[counter] == 1  # its hash was asked for before
    with Interpreter() as other, pytest.raises(OwnerGone):  # it still goes to others
        other.call(lambda: counter.add(1))


def test_objects_die_with_their_owner():
    deaths = Channel()
    owner = Interpreter()
    owner.call(share_objects.set_name, "owner")
    proxy = owner.call(make, "Dying", deaths)
    assert owner.destroy() is True
    assert deaths.pop(timeout=60) == "owner"
    del proxy


def test_an_end_waits_for_calls_and_then_interrupts_them():
    owner = Interpreter()
    waiting = owner.call(make, "Waiting")
    inside, result = threading.Event(), []

    def call():
        try:
            waiting.wait(share(inside))
        except OwnerGone as error:
            result.append(error)

    thread = threading.Thread(target=call)
    thread.start()
    inside.wait()
    assert owner.destroy(timeout=0.1) is True
    thread.join()
    assert len(result) == 1


def test_calls_while_it_ends_finish_or_are_refused():
    for _ in range(10):
        owner = Interpreter()
        counter = owner.call(make, "Counter")
        together, outcomes = threading.Barrier(3), []

        def call(counter=counter, together=together, outcomes=outcomes):
            together.wait()
            number = 0
            try:
                while True:
                    counter.add()
                    number += 1
            except OwnerGone:
                outcomes.append(number)

        threads = [threading.Thread(target=call) for _ in range(2)]
        for thread in threads:
            thread.start()
        together.wait()
        assert owner.destroy() is True
        for thread in threads:
            thread.join()
        assert len(outcomes) == 2


def test_the_process_ends_with_proxies_everywhere():
    done = run_program(
        """
import allcores, share_objects
owner, other = allcores.Interpreter(), allcores.Interpreter()
counter = owner.call(share_objects.make, "Counter")
mine = allcores.share(share_objects.Counter())
box = other.call(share_objects.make, "list", [counter, mine])
owner.call(exec, "import share_objects; kept = share_objects", {})
cycle = [counter, mine, box]
cycle.append(cycle)
share_objects.left = share_objects.CallsAtDeath(counter)
print(counter.add(1))
"""
    )
    assert done.stdout == "1\n"
    assert done.returncode == 0, done.stderr
    # Called from a __del__ after the end, when nothing can be imported any more.
    assert 'RuntimeError: the interpreter "interpreter-1" has ended' in done.stderr


def test_the_process_ends_while_others_call_main():
    done = run_program(
        """
import allcores, share_objects, threading
mine = share_objects.Counter()
proxy = allcores.share(mine)
workers = [allcores.Interpreter() for _ in range(2)]
for worker in workers:
    call = threading.Thread(
        target=worker.call, args=(share_objects.call_for_ever, proxy), daemon=True
    )
    call.start()
while mine.number < 1000: pass
print("enough")
"""
    )
    assert done.stdout == "enough\n"
    assert done.returncode == 0, done.stderr


def test_a_fork_has_mains_objects_only():
    done = run_program(
        """
import allcores, share_objects, os, warnings
warnings.simplefilter("ignore")
owner = allcores.Interpreter()
theirs = owner.call(share_objects.make, "Counter")
mine = allcores.share(share_objects.Counter())
assert theirs.add(1) == 1
child = os.fork()
if child == 0:
    try:
        theirs.add(1)
    except allcores.OwnerGone:
        assert mine.add(1) == 1
        with allcores.Interpreter() as fresh:
            assert fresh.call(lambda: mine.add(1)) == 2
        os._exit(7)
    os._exit(1)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
assert theirs.add(1) == 2
print("fine")
"""
    )
    assert done.stdout == "fine\n", done.stderr
    assert done.returncode == 0, done.stderr


def test_an_interpreter_that_is_not_ours_can_call_but_not_share():
    done = run_program(
        """
from concurrent import interpreters
import allcores, share_objects
other = interpreters.create()
other.exec('''
import allcores
try:
    allcores.share([])
except RuntimeError as error:
    print(error)
''')
other.close()
"""
    )
    assert done.stdout.startswith("nothing can be shared here"), done.stderr


def test_waiting_for_the_gil_of_an_owner_that_is_given_up():
    # It holds its GIL in C until something is in a pipe, and heeds nothing.
    done = run_program(
        """
import allcores, os, share_objects, threading
from pathlib import Path
owner = allcores.Interpreter()
counter = owner.call(share_objects.make, "Counter")
add = counter.add
reader, writer = os.pipe()
begun = allcores.Channel()
def hold(begun, reader):
    import ctypes, threading
    read, one = ctypes.PyDLL(None).read, ctypes.create_string_buffer(1)
    begun.push(threading.get_native_id())
    read(reader, one, 1)
def quietly(function, *args):
    try:
        function(*args)
    except RuntimeError as error:
        outcomes.append(type(error).__name__)
outcomes = []
holder = threading.Thread(target=quietly, args=(owner.call, hold, begun, reader))
holder.start()
call = Path(f"/proc/self/task/{begun.pop()}/syscall")
while call.read_text().split()[1:2] != [hex(reader)]:  # it is in read() of the pipe
    pass
caller = threading.Thread(target=quietly, args=(add,))
caller.start()
print(owner.destroy(timeout=0))
os.write(writer, b"x")
holder.join()
caller.join()
print(sorted(outcomes))
"""
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "False\n['OwnerGone', 'RuntimeError']\n"


@pytest.mark.parametrize("which", ["host", "share", "caller"])
def test_daemon_threads_that_call_are_quiet_at_the_end_of_the_process(which):
    done = run_program(
        """
        import sys, threading, time
        import allcores
        import share_objects

        def call_for_ever(proxy):
            while True:
                proxy.append(1)
                called.set()

        called = threading.Event()
        worker = allcores.Interpreter()
        if sys.argv[1] == "caller":
            begun, channel = allcores.Channel(rendezvous=True), allcores.Channel()
            target, arguments = worker.call, (lambda b, c: (b.push(1), c.pop()), begun, channel)
            options = {"where": "caller"}
        else:
            target, options = call_for_ever, {}
            home = sys.argv[1] == "host"
            arguments = (allcores.host(list) if home else worker.call(share_objects.make, "list"),)
        threading.Thread(target=target, args=arguments, kwargs=options, daemon=True).start()
        begun.pop() if options else called.wait()
        """,
        which,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
