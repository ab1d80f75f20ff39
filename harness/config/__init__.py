"""From texts (options, files, presets, written forms) to what is to be measured."""
