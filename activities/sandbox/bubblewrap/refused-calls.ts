// A seccomp filter, as the kernel takes it: system calls that reach what no namespace separates, or that work in the
// sandbox needs for nothing and kernels have been broken through. They fail with EPERM.

// Numbers of Linux's own tables (asm/unistd.h), and the constants AUDIT_ARCH_* of linux/audit.h.
const processors: Partial<Record<NodeJS.Architecture, { audit: number; calls: readonly number[] }>> = {
  x64: {
    audit: 0xc000003e,
    // add_key, request_key, keyctl: keys of the user who runs the worker. perf_event_open, bpf, userfaultfd,
    // io_uring_setup, io_uring_enter, io_uring_register.
    calls: [248, 249, 250, 298, 321, 323, 425, 426, 427],
  },
  arm64: { audit: 0xc00000b7, calls: [217, 218, 219, 241, 280, 282, 425, 426, 427] },
};

const [load, jumpIfEqual, jumpIfAtLeast, answer] = [0x20, 0x15, 0x35, 0x06];
const [allow, refuse] = [0x7fff0000, 0x00050001];
// On x86 the 32-bit numbers for 64-bit programs (x32) begin here; no usual program uses them.
const x32 = 0x40000000;

/** Undefined for a processor whose numbers are not known here. */
export function refusedCalls(): Buffer | undefined {
  const known = processors[process.arch];
  if (known === undefined) return undefined;
  const { audit, calls } = known;
  // Behind them: one instruction that allows and one that refuses.
  const toRefuse = (index: number): number => calls.length - index;
  return Buffer.concat([
    instruction(load, 0, 0, 4),
    // Programs for another processor (32-bit ones) have other numbers: they do not run.
    instruction(jumpIfEqual, 0, calls.length + 3, audit),
    instruction(load, 0, 0, 0),
    instruction(jumpIfAtLeast, calls.length + 1, 0, x32),
    ...calls.map((call, index) => instruction(jumpIfEqual, toRefuse(index), 0, call)),
    instruction(answer, 0, 0, allow),
    instruction(answer, 0, 0, refuse),
  ]);
}

/** One of `struct sock_filter`. */
function instruction(code: number, jumpTrue: number, jumpFalse: number, value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeUInt16LE(code, 0);
  bytes.writeUInt8(jumpTrue, 2);
  bytes.writeUInt8(jumpFalse, 3);
  bytes.writeUInt32LE(value, 4);
  return bytes;
}
