// Runs the SQL of standard input in DuckDB, and prints the rows of the last statement as one JSON list.
import { readFileSync } from 'node:fs';
import { DuckDBInstance } from '@duckdb/node-api';

const database = await (await DuckDBInstance.create(':memory:')).connect();
await database.run("set timezone = 'UTC'");
const result = await database.runAndReadAll(readFileSync(0, 'utf8'));
console.log(JSON.stringify(result.getRowObjectsJson()));
