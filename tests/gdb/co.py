"""Coroutines of WatchLLM in gdb, of a process or of its core file.

    (gdb) source tests/gdb/co.py
    (gdb) wl-coroutines            list them: state, descriptor, deadline
    (gdb) wl-backtrace [NAME]      backtrace of each that is parked

Frame 0 of such a backtrace is where the thread is; the rest, from frame 1,
is the coroutine's.  x86-64 only: elsewhere only the list.
"""

import gdb
from gdb.unwinder import Unwinder, register_unwinder

EVENTS = [
    (0x001, "IN"),
    (0x002, "PRI"),
    (0x004, "OUT"),
    (0x008, "ERR"),
    (0x010, "HUP"),
    (0x2000, "RDHUP"),
    (1 << 24, "WOKEN"),
    (1 << 28, "EXCLUSIVE"),
]


def coroutines():
    """All that are alive, oldest first."""
    found = []
    co = gdb.parse_and_eval("wl_sched.alive")
    while int(co) != 0:
        found.insert(0, co.dereference())
        co = co["next_alive"]
    return found


def name_of(co):
    return co["name"].string()


def state_of(co):
    return str(co["state"]).removeprefix("WL_CO_").lower()


def describe(co):
    text = f"{name_of(co):<16} {state_of(co):<8}"
    if state_of(co) != "waiting":
        return text
    events = int(co["events"])
    names = "|".join(name for bit, name in EVENTS if events & bit)
    text += f" fd {int(co['fd'])} events {names or '0'}"
    if int(co["timer"]["pos"]) != 0:
        now = int(gdb.parse_and_eval("wl_sched.now_us")) // 1000
        text += f" deadline in {int(co['timer']['deadline']) - now} ms"
    return text


class FrameId:
    def __init__(self, sp, pc):
        self.sp = sp
        self.pc = pc


class Parked(Unwinder):
    """While `co` is set, the caller of the thread's innermost frame is the
    caller of wl_sched_park() in that coroutine."""

    def __init__(self):
        super().__init__("watchllm-parked")
        self.co = None
        self.at = None

    def __call__(self, pending):
        if self.co is None:
            return None
        sp = pending.read_register("rsp")
        pc = pending.read_register("rip")
        if (int(sp), int(pc)) != self.at:
            return None
        word = gdb.lookup_type("unsigned long")
        frame = self.co["frame"].cast(word.pointer())
        here = frame.cast(word)
        # below the coroutine's frames, or gdb takes the stack for corrupt
        info = pending.create_unwind_info(FrameId(here, pc))
        info.add_saved_register("rbp", frame[0])
        info.add_saved_register("rip", frame[1])
        info.add_saved_register("rsp", here + 16)
        return info

    def backtrace(self, co):
        gdb.execute("frame 0", to_string=True)
        top = gdb.newest_frame()
        self.at = (
            int(top.read_register("rsp")),
            int(top.read_register("rip")),
        )
        self.co = co
        gdb.invalidate_cached_frames()
        try:
            return gdb.execute("backtrace", to_string=True)
        finally:
            self.co = None
            gdb.invalidate_cached_frames()


parked = Parked()
register_unwinder(None, parked, replace=True)


class ListCommand(gdb.Command):
    """List the coroutines."""

    def __init__(self):
        super().__init__("wl-coroutines", gdb.COMMAND_STACK)

    def invoke(self, arg, from_tty):
        for co in coroutines():
            print(describe(co))


class BacktraceCommand(gdb.Command):
    """Backtrace of each parked coroutine, or of those called NAME."""

    def __init__(self):
        super().__init__("wl-backtrace", gdb.COMMAND_STACK)

    def invoke(self, arg, from_tty):
        for co in coroutines():
            if arg not in ("", name_of(co)) or int(co["frame"]) == 0:
                continue
            print(describe(co))
            print(parked.backtrace(co))


ListCommand()
BacktraceCommand()
