"""From records to statements: whether a measurement is valid, what limits it, how cells compare. Pure: no clock, no
process, and no file but the published study's figures. May be imported by `report`, `experiments` and the rooms above;
it may import `measure` and the rooms below."""
