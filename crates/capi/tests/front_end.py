"""A front end, as programs have it: it loads the libraries of a tree, and runs a collective in two forked processes.

Called with the tree, the compiled orchestration and the compiled kernel. It uses nothing but what Python comes with.
"""

import ctypes
import os
import struct
import sys
from ctypes import POINTER, byref, c_char_p, c_int, c_int32, c_size_t, c_uint32, c_uint64, c_void_p, cast

RUNTIME = "tensormap_and_ringbuffer"
RANKS = 2
COUNT = 1000
ROUNDS = 5

SYMBOLS = """
    get_pipeline_contract create_device_context destroy_device_context get_runtime_size get_runtime_alignment simpler_init
    finalize_device device_malloc_ctx device_free_ctx committed_device_memory_ctx copy_to_device_ctx copy_from_device_ctx
    simpler_register_callable simpler_unregister_callable simpler_run simpler_prepare_run simpler_launch_run
    simpler_poll_run simpler_wait_run simpler_finalize_run supports_concurrent_native_prepare_ctx
    get_arena_bank_gm_heap_base_ctx get_retained_temp_addr_ctx get_aicpu_dlopen_count get_host_dlopen_count
    get_run_stream_set_create_count simpler_provision_dma_workspace ensure_acl_ready_ctx create_comm_stream_ctx
    destroy_comm_stream_ctx comm_init comm_alloc_windows comm_get_local_window_base comm_get_window_size
    comm_derive_context comm_alloc_domain_windows comm_release_domain_windows comm_global_domain_prepare
    comm_global_domain_import comm_global_domain_release comm_barrier comm_destroy simpler_host_log_bind_state
""".split()


def check(true, what):
    if not true:
        raise SystemExit(f"front end, process {os.getpid()}: {what}")


def load(path, mode):
    """As ctypes does it by default, but for the mode: all symbols at once, and global or local."""
    return ctypes.CDLL(path, mode=os.RTLD_NOW | mode)


def function(library, name, result, *arguments):
    found = getattr(library, name)
    found.restype, found.argtypes = result, list(arguments)
    return found


def tensor(address, count, space):
    """A tensor of `count` numbers of 32 bits; space 0 is the host's memory, 1 the device's."""
    record = bytearray(128)
    struct.pack_into("<QQQQiI4B", record, 0, address, 4 * count, 2**64 - 1, 0, 0, 1, 0, 0, 1, space)
    struct.pack_into("<5I", record, 44, count, 0, 0, 0, 0)
    struct.pack_into("<Q5I", record, 64, count, 1, 0, 0, 0, 0)
    return bytes(record)


def aligned(size, alignment):
    """Zeroed memory at an aligned address, and what keeps it."""
    keeper = ctypes.create_string_buffer(size + alignment)
    address = ctypes.addressof(keeper)
    return keeper, address + -address % alignment


def arguments(tensors, scalars):
    """The arguments of a run."""
    keeper, address = aligned(33856, 64)
    ctypes.memmove(address, b"".join(tensors), 128 * len(tensors))
    ctypes.memmove(address + 32768, struct.pack(f"<{len(scalars)}Q", *scalars), 8 * len(scalars))
    ctypes.memmove(address + 33792, struct.pack("<ii", len(tensors), len(scalars)), 8)
    return keeper, address


def callable_of(orchestration, kernels, signature):
    """A callable: an orchestration, and kernels by their numbers."""
    header = bytearray(9376)
    struct.pack_into(f"<{len(signature)}i", header, 0, *signature)
    storage = bytearray(orchestration)
    for index, (number, kernel) in enumerate(kernels.items()):
        storage += bytes(-len(storage) % 64)
        struct.pack_into("<i", header, 1100 + 4 * index, number)
        struct.pack_into("<I", header, 5196 + 4 * index, len(storage))
        core = bytearray(192)
        struct.pack_into("<iI", core, 128, 0, len(kernel))
        storage += core + kernel
    entry = b"aicpu_orchestration_entry"
    struct.pack_into("<iI64sI", header, 1024, len(signature), len(orchestration), entry, len(entry))
    struct.pack_into("<i", header, 9292, len(kernels))
    keeper, address = aligned(len(header) + len(storage), 64)
    ctypes.memmove(address, bytes(header + storage), len(header) + len(storage))
    return keeper, address


class Chip:
    """A device, as a front end uses it."""

    def __init__(self, tree, arch, device):
        folder = os.path.join(tree, "build/lib", arch, "sim", RUNTIME)
        self.context_library = load(os.path.join(tree, "build/lib/libcpu_sim_context.so"), os.RTLD_GLOBAL)
        self.library = load(os.path.join(folder, "libhost_runtime.so"), os.RTLD_LOCAL)
        for name in SYMBOLS:
            check(hasattr(self.library, name), f"there is no {name}")
        self.log = (c_uint32 * 4)(1, 16, 25, 0)
        for library in (self.context_library, self.library):
            bind = function(library, "simpler_host_log_bind_state", c_int, c_void_p)
            check(bind(self.log) == 0, "the log cannot be bound")
        self.context = function(self.library, "create_device_context", c_void_p)()
        check(self.context, "there is no context")
        binaries = []
        for name in ("libaicpu_kernel.so", "libaicore_kernel.so"):
            with open(os.path.join(folder, name), "rb") as file:
                binaries.append(file.read())
        init = function(
            self.library, "simpler_init", c_int, c_void_p, c_int, c_char_p, c_size_t, c_char_p, c_size_t, c_char_p,
            c_size_t, c_void_p,
        )
        (aicpu, aicore) = binaries
        status = init(self.context, device, aicpu, len(aicpu), aicore, len(aicore), None, 0, None)
        check(status == 0, f"simpler_init: {status}")
        size = function(self.library, "get_runtime_size", c_size_t)()
        alignment = function(self.library, "get_runtime_alignment", c_size_t)()
        self.storage, self.run_storage = aligned(size, alignment)

    def register(self, number, address):
        register = function(self.library, "simpler_register_callable", c_int, c_void_p, c_int32, c_void_p)
        status = register(self.context, number, address)
        check(status == 0, f"simpler_register_callable: {status}")

    def run(self, number, address, run):
        """A run from beginning to end; its number names it."""
        config, descriptor = bytes(1144), struct.pack("<IIQQQQQiI", 0, 0, run, run, run, run, 0, 0, 0)
        call = function(
            self.library, "simpler_run", c_int, c_void_p, c_void_p, c_int32, c_void_p, c_char_p, c_void_p
        )
        keeper, at = aligned(len(descriptor), 8)
        ctypes.memmove(at, descriptor, len(descriptor))
        status = call(self.context, self.run_storage, number, address, config, at)
        check(status == 0, f"simpler_run: {status}")

    def close(self):
        check(function(self.library, "finalize_device", c_int, c_void_p)(self.context) == 0, "finalize_device")
        function(self.library, "destroy_device_context", None, c_void_p)(self.context)


class Communicator:
    """A rank among others."""

    def __init__(self, library, rank, ranks, root):
        self.library = library
        init = function(library, "comm_init", c_void_p, c_int, c_int, c_void_p, c_char_p)
        self.handle = init(rank, ranks, None, root.encode())
        check(self.handle, "comm_init")

    def call(self, name, *given):
        function(self.library, name, c_int, c_void_p, *(kind for (kind, _) in given))
        status = getattr(self.library, name)(self.handle, *(value for (_, value) in given))
        check(status == 0, f"{name}: {status}")

    def allocate(self, size):
        context = c_uint64()
        self.call("comm_alloc_windows", (c_size_t, size), (POINTER(c_uint64), byref(context)))
        return context.value


def global_domain(library, number, me, line):
    """Windows without a communicator: the program passes on where they are. The context, for kernels."""
    prepare = function(
        library, "comm_global_domain_prepare", c_int, c_uint64, c_uint32, c_uint32, c_size_t, c_uint32, c_void_p,
        POINTER(c_uint64),
    )
    descriptor, base, context = ctypes.create_string_buffer(288), c_uint64(), c_uint64()
    status = prepare(number, me, RANKS, 4096 + 4 * COUNT, 1, descriptor, byref(base))
    check(status == 0, f"comm_global_domain_prepare: {status}")
    os.write(line[1], descriptor.raw)
    other = os.read(line[0], 288)
    both = other + descriptor.raw if me else descriptor.raw + other
    bring = function(library, "comm_global_domain_import", c_int, c_uint64, c_char_p, c_size_t, POINTER(c_uint64))
    status = bring(number, both, RANKS, byref(context))
    check(status == 0, f"comm_global_domain_import: {status}")
    return context.value


def shared():
    """What runtimes have in shared memory; what other programs have there comes and goes."""
    return sorted(name for name in os.listdir("/dev/shm") if "prewire" in name or "simpler" in name)


def threads():
    return len(os.listdir("/proc/self/task"))


def rank(tree, arch, root, me, orchestration, kernel, line):
    """What one of the processes does."""
    before = threads()
    chip = Chip(tree, arch, me)
    comm = Communicator(chip.library, me, RANKS, root)
    context = comm.allocate(4096 + 4 * COUNT)
    ranks = cast(context + 16, POINTER(c_uint32))
    check((ranks[0], ranks[1]) == (me, RANKS), f"the context is that of rank {ranks[0]} of {ranks[1]}")
    keeper, address = callable_of(orchestration, {7: kernel}, [1, 2])
    chip.register(3, address)
    for round in range(ROUNDS):
        numbers = [float(me * 1000 + round * 7 + i) for i in range(COUNT)]
        given, taken = (ctypes.c_float * COUNT)(*numbers), (ctypes.c_float * (COUNT + 1))()
        tensors = [tensor(ctypes.addressof(given), COUNT, 0), tensor(ctypes.addressof(taken), COUNT + 1, 0)]
        held, block = arguments(tensors, [context, round])
        chip.run(3, block, round + 1)
        for i in range(COUNT):
            wanted = float(sum(other * 1000 + round * 7 + i for other in range(RANKS)))
            check(taken[i] == wanted, f"round {round}, number {i}: {taken[i]} and not {wanted}")
        check(taken[COUNT] == 1, "the kernel does not know by name which core it is on")
        comm.call("comm_barrier")
        if round == ROUNDS - 2:
            # The last round is in the windows of a global domain, where nobody has been yet.
            context = global_domain(chip.library, 77, me, line)
    chip.close()
    check(threads() == before, f"{threads()} threads are left of {before}")
    check(function(chip.library, "comm_global_domain_release", c_int, c_uint64)(77) == 0, "the domain is not released")
    comm.call("comm_destroy")


def main():
    (tree, orchestration, kernel) = sys.argv[1:]
    with open(orchestration, "rb") as file:
        orchestration = file.read()
    with open(kernel, "rb") as file:
        kernel = file.read()
    before = shared()
    for arch in ("a2a3", "a5"):
        children = []
        # What each rank reads, and what it writes.
        ((read0, write0), (read1, write1)) = (os.pipe(), os.pipe())
        lines = ((read0, write1), (read1, write0))
        for me in range(RANKS):
            child = os.fork()
            if child == 0:
                try:
                    rank(tree, arch, f"{tree} {arch}", me, orchestration, kernel, lines[me])
                except BaseException as error:
                    print(f"{arch}, rank {me}: {error!r}", file=sys.stderr, flush=True)
                    os._exit(1)
                os._exit(0)
            children.append(child)
        ends = [os.waitpid(child, 0)[1] for child in children]
        check(ends == [0] * RANKS, f"{arch}: the ranks ended with {ends}")
        check(shared() == before, "something is left in shared memory")
        print(f"{arch}: {RANKS} ranks, {ROUNDS} rounds, {COUNT} numbers: all are right")


main()
