#!/usr/bin/env python3
"""Jobs of one key run in order, one at a time; different keys run in parallel.

The C library through ctypes: a small binding, then four accounts, each a key. Deposits add up in
order; one body fails twice and is run again; one gives up and is undone; one is pending until a
Python thread finishes its token.

    LANEWAY_LIBRARY=/usr/lib/liblaneway.so python3 keyed_jobs.py

What every binding does is here: compare laneway_abi_version, load with CDLL (which releases the
interpreter lock during calls, so that a wait does not stop the callbacks it waits for), keep
callbacks alive until the library drops them, let no exception leave one, and shut down before the
interpreter ends.
"""

import atexit
import ctypes
import ctypes.util
import itertools
import os
import threading
import traceback

ABI_VERSION = 1
OK, PENDING, EUSER = 0, 1, -1000
COMPLETED, ROLLED_BACK = 1, 2
DRAIN = 0
MINUTE_NS = 60 * 10**9

# Statuses of one's own begin at EUSER and come back unchanged.
LINE_BUSY, NO_FUNDS, RAISED = EUSER - 1, EUSER - 2, EUSER - 3

STATUS = ctypes.c_int32
CALLBACK = ctypes.CFUNCTYPE(STATUS, ctypes.c_void_p, ctypes.c_void_p)
DROP = ctypes.CFUNCTYPE(None, ctypes.c_void_p)


class JobOptions(ctypes.Structure):
    """struct laneway_job_options."""

    _fields_ = [
        ("struct_size", ctypes.c_size_t),
        ("flags", ctypes.c_uint64),
        ("retries", ctypes.c_uint32),
        ("factor", ctypes.c_uint32),
        ("delay_base_ns", ctypes.c_uint64),
        ("delay_max_ns", ctypes.c_uint64),
        ("jitter", ctypes.c_uint32),
        ("conflicts", ctypes.c_uint32),
        ("on_failure", ctypes.c_uint32),
        ("on_double_fault", ctypes.c_uint32),
        ("open_tokens", ctypes.c_uint32),
        ("undo_retries", ctypes.c_uint32),
        ("attempt_timeout_ns", ctypes.c_uint64),
        ("undo", CALLBACK),
        ("classify", ctypes.c_void_p),
    ]


class Outcome(ctypes.Structure):
    """struct laneway_outcome."""

    _fields_ = [
        ("struct_size", ctypes.c_size_t),
        ("kind", ctypes.c_uint32),
        ("started", ctypes.c_uint32),
        ("cause", STATUS),
        ("rollback", STATUS),
    ]


def load():
    """The library with its prototypes; refuses one with another ABI."""
    name = os.environ.get("LANEWAY_LIBRARY") or ctypes.util.find_library("laneway")
    if not name:
        raise OSError("liblaneway is not installed; set LANEWAY_LIBRARY to its path")
    library = ctypes.CDLL(name)
    library.laneway_abi_version.restype = ctypes.c_uint32
    if library.laneway_abi_version() != ABI_VERSION:
        raise OSError(f"{name} has ABI {library.laneway_abi_version()}, not {ABI_VERSION}")
    pointer, size, u64 = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_uint64
    prototypes = {
        "pool_new": (STATUS, [pointer, pointer, pointer]),
        "pool_shutdown": (STATUS, [pointer, ctypes.c_uint32, u64, pointer]),
        "pool_release": (None, [pointer]),
        "coordinator_new": (STATUS, [pointer, pointer, pointer, pointer]),
        "coordinator_shutdown": (STATUS, [pointer, ctypes.c_uint32, u64, pointer]),
        "coordinator_release": (None, [pointer]),
        "coordinator_submit": (
            STATUS,
            [pointer, ctypes.c_char_p, size, pointer, CALLBACK, pointer, DROP, pointer, pointer],
        ),
        "job_options_init": (None, [pointer, size]),
        "job_wait": (STATUS, [pointer, u64, pointer]),
        "job_cause": (STATUS, [pointer, pointer]),
        "job_release": (None, [pointer]),
        "job_context_attempt": (ctypes.c_uint32, [pointer]),
        "job_context_defer": (pointer, [pointer]),
        "job_context_fail": (STATUS, [pointer, STATUS, ctypes.c_char_p, size]),
        "token_succeed": (STATUS, [pointer]),
        "outcome_init": (None, [pointer, size]),
        "outcome_name": (ctypes.c_char_p, [ctypes.c_uint32]),
        "status_name": (ctypes.c_char_p, [STATUS]),
        "error_message": (ctypes.c_char_p, [pointer, pointer]),
        "error_free": (None, [pointer]),
    }
    for name, (result, arguments) in prototypes.items():
        function = getattr(library, f"laneway_{name}")
        function.restype, function.argtypes = result, arguments
    return library


LANEWAY = load()


def check(status):
    """Raises for a failure."""
    if status < 0:
        raise RuntimeError(LANEWAY.laneway_status_name(status).decode())


class Context:
    """What a body sees of its job."""

    def __init__(self, raw):
        self._raw = raw

    @property
    def attempt(self):
        """The number of this attempt, from 1."""
        return LANEWAY.laneway_job_context_attempt(self._raw)

    def defer(self):
        """A token; call it, on any thread, when what it stands for has ended well."""
        token = LANEWAY.laneway_job_context_defer(self._raw)
        return lambda: LANEWAY.laneway_token_succeed(token)

    def fail(self, status, text):
        """A failure with a text, to be returned from the body."""
        said = text.encode()
        return LANEWAY.laneway_job_context_fail(self._raw, status, said, len(said))


class Coordinator:
    """Runs Python callables as keyed jobs."""

    def __init__(self):
        self._pool, self._raw = ctypes.c_void_p(), ctypes.c_void_p()
        # Callbacks that the library still holds, by the user_data of their job.
        self._held, self._names = {}, itertools.count(1)
        self._drop = DROP(lambda name: self._held.pop(name, None) and None)
        check(LANEWAY.laneway_pool_new(None, ctypes.byref(self._pool), None))
        check(LANEWAY.laneway_coordinator_new(self._pool, None, ctypes.byref(self._raw), None))
        # Workers must not call into an interpreter that is gone.
        atexit.register(self.close)

    def submit(self, key, body, undo=None, **options):
        """Appends a job to the lane of key. Options are the fields of struct laneway_job_options."""
        given, job, name = JobOptions(), ctypes.c_void_p(), next(self._names)
        LANEWAY.laneway_job_options_init(ctypes.byref(given), ctypes.sizeof(given))
        for option, value in options.items():
            setattr(given, option, value)
        run = CALLBACK(lambda _, raw: self._answer(body, Context(raw)))
        if undo:
            given.undo = CALLBACK(lambda _, raw: self._answer(undo))
        self._held[name] = (run, given)
        key = key.encode()
        check(
            LANEWAY.laneway_coordinator_submit(
                self._raw, key, len(key), ctypes.byref(given), run, name, self._drop,
                ctypes.byref(job), None,
            )
        )
        return Job(job)

    def close(self):
        """Runs what was accepted, then ends the threads."""
        atexit.unregister(self.close)
        check(LANEWAY.laneway_coordinator_shutdown(self._raw, DRAIN, MINUTE_NS, None))
        check(LANEWAY.laneway_pool_shutdown(self._pool, DRAIN, MINUTE_NS, None))
        LANEWAY.laneway_coordinator_release(self._raw)
        LANEWAY.laneway_pool_release(self._pool)

    @staticmethod
    def _answer(function, *arguments):
        try:
            return function(*arguments) or OK
        except BaseException:  # nothing may leave a callback
            traceback.print_exc()
            return RAISED


class Job:
    """A submitted job."""

    def __init__(self, raw):
        self._raw = raw

    def wait(self):
        """The outcome and the text of its cause."""
        ended, error = Outcome(), ctypes.c_void_p()
        LANEWAY.laneway_outcome_init(ctypes.byref(ended), ctypes.sizeof(ended))
        check(LANEWAY.laneway_job_wait(self._raw, MINUTE_NS, ctypes.byref(ended)))
        check(LANEWAY.laneway_job_cause(self._raw, ctypes.byref(error)))
        text = LANEWAY.laneway_error_message(error, None).decode()
        LANEWAY.laneway_error_free(error)
        return ended, text

    def __del__(self):
        LANEWAY.laneway_job_release(self._raw)


def main():
    """Four accounts."""
    accounts = Coordinator()
    balance = {"anna": 0, "ben": 0, "cara": 5, "dan": 0}

    def deposit(_):
        balance["anna"] += 10

    def call_the_bank(context):
        if context.attempt < 3:
            return context.fail(LINE_BUSY, "the line is busy")
        balance["ben"] = 3
        return OK

    def overdraw(context):
        balance["cara"] -= 100
        return context.fail(NO_FUNDS, "not enough money")

    def give_back():
        balance["cara"] += 100

    def await_transfer(context):
        arrived = context.defer()
        balance["dan"] = 50
        threading.Thread(target=arrived).start()
        return PENDING

    deposits = [accounts.submit("anna", deposit) for _ in range(100)]
    expected = [
        ("anna", deposits[-1], COMPLETED, OK, 1000),
        ("ben", accounts.submit("ben", call_the_bank, retries=5, delay_base_ns=100_000),
         COMPLETED, OK, 3),
        ("cara", accounts.submit("cara", overdraw, give_back), ROLLED_BACK, NO_FUNDS, 5),
        ("dan", accounts.submit("dan", await_transfer), COMPLETED, OK, 50),
    ]
    for name, job, kind, cause, money in expected:
        outcome, text = job.wait()
        ended = LANEWAY.laneway_outcome_name(outcome.kind).decode()
        print(f"{name:6} {ended:12} balance {balance[name]:4}  {text}")
        assert (outcome.kind, outcome.cause, balance[name]) == (kind, cause, money), name


if __name__ == "__main__":
    main()
