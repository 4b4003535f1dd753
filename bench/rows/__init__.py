"""The rows of the table: a name, and what measures it."""

from rows import gateway, key, llm, memory, miss, runner, store

ROWS = {
    "key": key.measure,
    "store": store.measure,
    "gateway": gateway.measure,
    "llm": llm.measure,
    "miss": miss.measure,
    "runner": runner.measure,
    "memory": memory.measure,
}
