# Commands by partition, for the gdb that `cargo xtask test --scenario NAME --gdb` starts. `partitions` has the entry and the
# memory of each: the script before this one says it.
import re

import gdb


def owner(pc, level):
    """Whose code is at an address, as far as addresses tell."""
    for name, (_, memory) in partitions.items():
        if any(base <= pc < end for base, end in memory):
            return name
    if level == 3:
        return "firmware"
    if level == 2:
        return "hypervisor" if pc < 0x4000_0000 else "normal world"
    return "normal world"


def named(end):
    """The full names of functions that end so: `respond`, `image::respond`."""
    listed = gdb.execute(f"info functions -q {end}$", to_string=True)
    return sorted(set(re.findall(rf"(?<!\w)((?:[\w<>]+::)*{re.escape(end)})\b", listed)))


class Who(gdb.Command):
    """who: which partition or world each core is in."""

    def __init__(self):
        super().__init__("who", gdb.COMMAND_STATUS)

    def invoke(self, argument, _):
        selected = gdb.selected_thread()
        for thread in sorted(gdb.selected_inferior().threads(), key=lambda thread: thread.num):
            thread.switch()
            frame = gdb.newest_frame()
            pc = int(frame.read_register("pc")) & 0xFFFF_FFFF_FFFF_FFFF
            level = int(frame.read_register("cpsr")) >> 2 & 3
            place = gdb.execute(f"info symbol {pc:#x}", to_string=True).split("\n")[0]
            place = "" if place.startswith("No symbol") else place
            print(f"core {thread.num - 1}: EL{level} {pc:#x} {owner(pc, level)} {place}")
        selected.switch()


class BreakIn(gdb.Command):
    """break-in PARTITION [FUNCTION]: a breakpoint at a function of a partition's program, or at its entry."""

    def __init__(self):
        super().__init__("break-in", gdb.COMMAND_BREAKPOINTS)

    def complete(self, text, word):
        return [name for name in partitions if name.startswith(word)]

    def invoke(self, argument, _):
        words = argument.split()
        if not words or words[0] not in partitions:
            raise gdb.GdbError("break-in PARTITION [FUNCTION]; there are " + ", ".join(partitions))
        entry, memory = partitions[words[0]]
        if len(words) == 1:
            gdb.execute(f"hbreak *{entry:#x}")
            return
        own = [
            place.pc
            for name in named(words[1])
            for place in gdb.decode_line(name)[1] or ()
            if any(base <= place.pc < end for base, end in memory)
        ]
        if not own:
            raise gdb.GdbError(f"{words[0]} has no function {words[1]}")
        gdb.execute(f"hbreak *{own[0]:#x}")


Who()
BreakIn()
print("who: where each core is; break-in PARTITION [FUNCTION]: partitions are " + ", ".join(partitions))
