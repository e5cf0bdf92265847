// A preset as a YAML or TOML file, in and out. What is wrong is said in one sentence; nothing is guessed.
import { parse as parseToml, stringify as writeToml, TomlError } from 'smol-toml';
import { parse as parseYaml, stringify as writeYaml, YAMLParseError } from 'yaml';
import { Failure } from '../workflows/contracts/failures.ts';
import { Preset, type PresetFileFormat } from '../workflows/contracts/preset.ts';

/** Throws a Failure that names the line or the field. */
export function readPresetFile(text: string, format: PresetFileFormat): Preset {
  const parsed = Preset.safeParse(parsedFile(text, format));
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const where = issue?.path.join('.') || 'the file';
  throw new Failure('InvalidInput', `In the preset, ${where}: ${issue?.message}.`);
}

function parsedFile(text: string, format: PresetFileFormat): unknown {
  try {
    // Without aliases: a few of them can stand for more than memory holds.
    return format === 'yaml' ? parseYaml(text, { maxAliasCount: 0 }) : parseToml(text);
  } catch (error) {
    if (error instanceof YAMLParseError || error instanceof ReferenceError || error instanceof TomlError) {
      const [first = ''] = error.message.split('\n');
      const line = error instanceof TomlError ? ` (line ${error.line})` : '';
      throw new Failure(
        'InvalidInput',
        `This is not ${format.toUpperCase()}: ${first.replace(/:$/, '')}${line}.`,
      );
    }
    throw error;
  }
}

export function writePresetFile(preset: Preset, format: PresetFileFormat): string {
  // As wide as the longest line of our own files.
  return format === 'yaml' ? writeYaml(preset, { lineWidth: 110 }) : `${writeToml(preset)}\n`;
}
