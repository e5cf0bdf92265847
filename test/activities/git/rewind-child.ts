// A process that rewinds a project, to be killed half-way. Its one argument is what it is to do.
import { rewindProject } from '../../../activities/git/rewind.ts';

await rewindProject(JSON.parse(process.argv[2] ?? ''));
