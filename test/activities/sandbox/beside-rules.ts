// What every sandbox does with the projects beside its own: they are read under their own paths, and stay as they are.
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import path from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { globbed } from './globbed.ts';
import { type Opened, run } from './opened.ts';

/** The containers of people's own show one project, so they are not asked. */
export function besideRules(opened: () => Opened): void {
  test('a project beside the own one is read, listed and searched by its own path, and not written', async () => {
    const { driver, run: owner, outside } = opened();
    if (driver.mode === 'container') return;
    const library = path.join(path.dirname(outside), 'library');
    mkdirSync(path.join(library, 'src'), { recursive: true });
    mkdirSync(path.join(library, 'kept'));
    writeFileSync(path.join(library, 'kept', 'file'), 'kept');
    writeFileSync(path.join(library, 'src', 'cart.ts'), 'export const needle = 1;\n');
    symlinkSync(path.join(outside, 'secret'), path.join(library, 'link'));
    const asked: string[] = [];
    const open = await driver.open({ ...owner, id: 'beside', beside: [library], variables: { SHOP: 'a b' } });
    onTestFinished(() => open.close('ended'));
    const mayUse = (file: string): string | undefined => {
      asked.push(file);
      return file.startsWith(`${library}/kept`) ? 'Denied by policy.' : undefined;
    };
    const sandbox = await open.forCall({ mayUse });
    const file = `${library}/src/cart.ts`;
    const signal = new AbortController().signal;
    const found = await sandbox.search({ pattern: 'needle', path: library, signal, maxLines: 9 });
    expect({
      read: (await sandbox.read(file, 100))?.toString(),
      list: (await sandbox.list(library)).map(({ name }) => name),
      found: found.lines.map(({ path: place }) => place),
      resolved: await sandbox.resolve(`${library}/./src/../src/cart.ts`),
      globbed: await globbed(sandbox, `${library}/**/*.ts`),
      beside: sandbox.beside,
    }).toEqual({
      read: 'export const needle = 1;\n',
      list: ['link', 'src'],
      found: [file],
      resolved: file,
      globbed: file,
      beside: [library],
    });
    expect(asked).toContain(file);
    const readOnly = `is in ${library}, which this run only reads`;
    await expect(sandbox.write(file, Buffer.from('x'))).rejects.toThrow(readOnly);
    await expect(sandbox.remove(file)).rejects.toThrow(readOnly);
    await expect(sandbox.read(`${library}/kept/file`, 9)).rejects.toThrow('Denied by policy.');
    await expect(sandbox.read(`${library}/link`, 9)).rejects.toThrow('leads outside');
    await expect(sandbox.read(`${library}/../outside/secret`, 9)).rejects.toThrow('leads outside');
    await expect(sandbox.read(`${outside}/secret`, 9)).rejects.toThrow('leads outside');
    expect((await run(sandbox, `cat ${file}; echo "$SHOP"`)).stdout).toBe('export const needle = 1;\na b\n');
  });

  test('a command in a sandbox that contains changes nothing beside its project and reaches no socket there', async () => {
    const { create, needs, run: owner, outside } = opened();
    if (!opened().driver.contains.files) return;
    const library = path.join(path.dirname(outside), 'library');
    const data = path.join(library, 'data');
    mkdirSync(data, { recursive: true });
    writeFileSync(path.join(library, 'text'), 'as it was');
    writeFileSync(path.join(data, 'token'), 'secret');
    const server = createServer((socket) => socket.end('reached'));
    await new Promise<void>((resolve) => server.listen(path.join(library, 'socket'), resolve));
    onTestFinished(() => void server.close());
    const driver = create({ ...needs, hidden: [data] });
    const open = await driver.open({ ...owner, id: 'beside', beside: [library] });
    onTestFinished(() => open.close('ended'));
    const sandbox = await open.forCall();
    const command =
      `cd ${library}; echo x >text; echo x >new; rm text; mv text other; ` +
      'cat text; test -S socket && echo a socket; ls data; echo end';
    expect((await run(sandbox, command)).stdout).toBe('as it wasend\n');
    await expect(sandbox.read(`${data}/token`, 9)).rejects.toThrow('Perdure keeps its own data there');
  });
}
