"""Every kind of line comes back from record.jsonl as it was written."""

from steadygrad.record import (
    Batch,
    Event,
    Graph,
    LayerSignals,
    Loop,
    Operation,
    Optimizer,
    ParameterSignals,
    Record,
    RecordWriter,
    Where,
)

LINES = [
    Graph(3, "evaluation", [Operation("relu", "net.1", Where("train.py", 4), inputs=[-1])], [0]),
    LayerSignals(3, "net.1", {"rms": 0.5}, kind="evaluation"),
    ParameterSignals(3, "net.0.weight", {"rms": 0.1}),
    Batch(3, "evaluation", 8, [8, 4], origin=Where("data.py", 2), labels=[1, 0]),
    Event(3, "rate", "lowered"),
    Loop(4, optimizers=[Optimizer("SGD", Where("train.py", 9))], finished=True),
]


def test_lines_come_back_as_they_were(tmp_path):
    path = tmp_path / "record.jsonl"
    writer = RecordWriter(path)
    for line in LINES:
        writer.write(line)
    writer.close()
    record = Record.load(path)
    assert record.graphs == [LINES[0]]
    assert record.signals == [LINES[1]]
    assert record.parameter_signals == [LINES[2]]
    assert record.batches == [LINES[3]]
    assert record.events == [LINES[4]]
    assert record.loop == LINES[5]
