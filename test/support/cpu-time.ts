// The time that a test counts where it must not matter how busy the machine is.

/** What this process has computed so far. Not the time on the wall: other tests run beside the one that measures. */
export function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}
