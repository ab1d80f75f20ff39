"""Secrets: which values are, how they are spelled, and that no spelling of them is stored or printed."""

from __future__ import annotations

import base64
import html
import io
import json
import re
import shlex
import sys
import tomllib
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest

from harness.analysis.evaluation import evaluate
from harness.applications.prepare import prepare_application
from harness.applications.requests import request_source
from harness.cli import streams
from harness.config import files
from harness.errors import LackError, UsageError
from harness.experiments import matrix, single
from harness.experiments.session import ExecutionOptions
from harness.host import redaction
from harness.model.load import Timing
from harness.model.measurement import Measurement
from harness.model.plan import ApplicationPlan, Axes, Plan
from harness.model.record import MatrixRecord, MeasurementRecord
from harness.model.requests import AppRequest
from harness.store import codec
from harness.store import folder as store
from harness.store.folder import RunFolder
from harness.store.redaction import FREE_TEXT, clean
from tests import fakes
from tests.unit.test_experiments import chosen
from tests.unit.test_store import NOON, stored

SECRET = "Gr33n/Käse+\"&='word'"
KEY = "-----BEGIN KEY-----\nMIIEvQIBADANBgkq\nhkiG9w0BAQEFAASC\n-----END KEY-----\n"
SPELLINGS = {
    "as it stands": SECRET,
    "percent-encoded": quote(SECRET, safe=""),
    "percent-encoded, in a path": quote(SECRET),
    "percent-encoded, small digits": re.sub("%..", lambda found: found[0].lower(), quote(SECRET, safe="")),
    "of a form": quote_plus(SECRET + " x"),
    "in JSON": json.dumps({"a": SECRET}),
    "in JSON, whole characters": json.dumps({"a": SECRET}, ensure_ascii=False),
    "in JSON in JSON": json.dumps({"a": json.dumps({"b": SECRET})}),
    "in HTML": html.escape(SECRET),
    "in HTML, quotes left": html.escape(SECRET, quote=False),
    "as Python shows it": repr([SECRET]),
    "as Python shows bytes": repr(SECRET.encode()),
    "quoted for a shell": shlex.quote(SECRET),
    "in hexadecimal digits": SECRET.encode().hex(),
    "in large ones": SECRET.encode().hex().upper(),
    "in base64": base64.b64encode(SECRET.encode()).decode(),
    "in base64 of URLs": base64.urlsafe_b64encode(SECRET.encode()).decode().rstrip("="),
    "in basic authentication": base64.b64encode(f"me:{SECRET}".encode()).decode(),
    "in basic authentication, another name": base64.b64encode(f"user:{SECRET}".encode()).decode(),
    "in basic authentication, a third one": base64.b64encode(f"admin:{SECRET}!".encode()).decode(),
    "in a URL of any scheme": f"postgresql+asyncpg://me:{quote(SECRET, safe='')}@db/shop",
    "a line of a key": "read MIIEvQIBADANBgkq from it",
    "a key in JSON": json.dumps(KEY),
}
LEAKED = ("Gr33n", "MIIEvQ", "hkiG9w", base64.b64encode(SECRET.encode()).decode()[4:16], SECRET.encode().hex()[8:20])


def plant() -> None:
    redaction.learn({"TOKEN": SECRET, "SIGNING_KEY": KEY})


def leaks(text: str) -> list[str]:
    return [part for part in LEAKED if part.lower() in text.lower()]


@pytest.mark.parametrize("how", SPELLINGS)
def test_every_spelling_is_hidden(how: str) -> None:
    plant()
    hidden = redaction.hide(f"before {SPELLINGS[how]} after")
    assert leaks(hidden) == []
    assert redaction.HIDDEN in hidden
    assert hidden.startswith("before ")
    assert hidden.endswith(" after")


@pytest.mark.parametrize(
    ("name", "value", "is_secret"),
    [
        ("API_V1_STR", "/api/v1", False),
        ("APP_MODULE", "app.main:app", False),
        ("WAIT_ON", "thread", False),
        ("PYTHON_VERSION", "3.12.4", False),
        ("LOG_LEVEL", "WARNING", False),
        ("HOST", "127.0.0.1", False),
        ("SERVICE_URL", "http://localhost:8000", False),
        ("CACHE", "redis:6379", False),
        ("PIN", "12345", False),
        ("SOMETHING", "q7Fx-99-aa", True),
        ("WEBHOOK_URL", "https://hooks.example.com/T0001/B0002/x8Yq", True),
        ("ADMIN_PASSWORD", "password", True),
        ("SECRET_KEY", "/api/v1", True),
        ("DATABASE_URL", "postgresql://u:s3cr3tpw@h/d", True),
    ],
)
def test_names_and_looks_tell_which_values_are_secret(name: str, value: str, is_secret: bool) -> None:
    assert redaction.secret(name, value) == is_secret
    redaction.learn({name: value})
    assert (redaction.hide(f"it says {value}.") != f"it says {value}.") == is_secret


def test_of_a_url_the_password_is_hidden_under_any_scheme() -> None:
    redaction.learn({"DATABASE_URL": "postgresql://u:s3cr3t%2Fpw@h/d"})
    assert redaction.hide("postgresql+asyncpg://u:s3cr3t%2Fpw@h/d") == "postgresql+asyncpg://u:***@h/d"
    assert redaction.hide("password s3cr3t/pw refused") == "password *** refused"
    assert redaction.hide("amqp://guest:guest@mq") == "amqp://guest:***@mq"  # known or not


def test_of_the_surroundings_names_count() -> None:
    redaction.learn_surroundings({"SOME_TOKEN": "hunter-word", "EDITOR": "q7Fx-99-aa", "PWD": "/srv/shop"})
    assert redaction.hide("hunter-word q7Fx-99-aa /srv/shop") == "*** q7Fx-99-aa /srv/shop"


@pytest.mark.parametrize(
    "value", ["thread", "orderly", "uvicorn", "/async/sleep?ms=100", "k6 1.1.0", "measurement", "3.11.7"]
)
def test_no_value_spoils_what_a_record_is_made_of(tmp_path: Path, facts: Measurement, value: str) -> None:
    redaction.learn({"SECRET": value})
    with RunFolder.create(tmp_path, "name", NOON) as folder:
        record = stored(folder, facts)
        folder.publish()
        path = codec.visit_files(folder.path)[0]
    assert codec.parse_visit(path.read_bytes()) == record


def test_free_text_is_only_for_people() -> None:
    """What is hidden in must be any text to whoever reads it back."""
    for schema in (codec._RUN.json_schema(), codec._VISIT.json_schema()):
        for part in (schema, *schema["$defs"].values()):
            for name in FREE_TEXT & part.get("properties", {}).keys():
                described = json.dumps(part["properties"][name])
                assert not {'"enum"', '"const"', '"pattern"'} & {word.strip(":,{} ") for word in described.split()}


def test_nothing_planted_is_stored_or_printed(
    laboratory: fakes.Laboratory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant()
    everything = " | ".join(SPELLINGS.values())
    laboratory.deployments.echo = everything
    screen = io.StringIO()
    monkeypatch.setattr(sys, "stderr", streams._Quiet(screen))
    options = ExecutionOptions(out=tmp_path / "results")
    result = single.run(chosen(), Timing(warmup_seconds=1, window_seconds=1), options)
    sys.stderr.write(f"error: {everything}\n")
    written = [codec.read_bytes(path).decode() for path in options.out.rglob("*") if path.is_file()]
    assert any(redaction.HIDDEN in text for text in written)
    for text in (*written, screen.getvalue(), result.record.model_dump_json(), result.log_tail):
        assert leaks(text) == []


REQUESTS = """
[application]
app = "shop:app"
path = []
values = { word = ["hunter2!"] }
[[application.requests]]
path = "/login"
method = "POST"
headers = { X-Auth = "abc123secret" }
json = { user = "admin", password = "hunter2!" }
[matrix]
[[matrix.cells]]
server = ["uvicorn"]
"""


def test_headers_and_bodies_are_not_stored_and_are_there_again_on_going_on(tmp_path: Path) -> None:
    (tmp_path / "harness.toml").write_text(REQUESTS.replace("path = []\n", ""))
    plan = files.load(tmp_path / "harness.toml")
    assert plan.application is not None
    kept = matrix._stored(plan)
    text = kept.model_dump_json()
    assert "hunter2" not in text
    assert "abc123" not in text
    assert '"/login"' in text
    again = Plan.model_validate_json(text)
    digest = request_source(plan.application, tmp_path, []).digest
    assert matrix._whole(tmp_path, record(again, digest), plan.application) == plan
    with pytest.raises(UsageError, match="are not stored") as caught:
        matrix._whole(tmp_path, record(again, digest), None)
    assert "go on in the folder where it was begun" in caught.value.cure


def record(plan: Plan, digest: str) -> MatrixRecord:
    return MatrixRecord.model_construct(plan=plan, requests=digest)


def test_values_of_another_description_are_not_taken(tmp_path: Path) -> None:
    """Requests of the command line, in a folder whose harness.toml has values for others."""
    stored_plan = ApplicationPlan(app="shop:app", path=["/"])
    digest = request_source(stored_plan, tmp_path, []).digest
    project = ApplicationPlan(app="shop:app", path=["/{id}"], values={"id": [1]})
    plan = Plan(cells=[Axes()], application=stored_plan)
    assert matrix._whole(tmp_path, record(plan, digest), project) == plan


def prepared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, plan: str, **variables: str) -> None:
    monkeypatch.setattr("harness.applications.prepare.inspect_application", lambda *_: fakes.INSPECTED)
    prepare_application(ApplicationPlan.model_validate(tomllib.loads(plan)), None, variables, tmp_path)


def test_a_secret_with_a_line_break_is_told_without_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = 'app = "a:b"\nrequests = [{path = "/", headers = {Authorization = "Bearer ${TOKEN}"}}]'
    with pytest.raises(UsageError, match="header Authorization takes TOKEN, whose value has a line break") as caught:
        prepared(tmp_path, monkeypatch, plan, TOKEN="abc-secret\n")
    assert "abc-secret" not in f"{caught.value} {caught.value.cure}"
    drawn = 'app = "a:b"\nrequests = [{path = "/", headers = {X = "{word}"}}]\nvalues = {word = ["a", "b\\nc"]}'
    with pytest.raises(UsageError, match="header X takes word, whose value has a line break"):
        prepared(tmp_path, monkeypatch, drawn)


@pytest.mark.parametrize(
    ("plan", "says", "cure"),
    [
        ('path = ["/x?key=abc-s3cret"]', "the request /x", "${TOKEN}"),
        ('path = ["/"]\nsetup = "login abc-s3cret"', "--setup holds the value of TOKEN", "$TOKEN"),
    ],
)
def test_a_secret_in_what_is_stored_as_it_was_given_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, plan: str, says: str, cure: str
) -> None:
    with pytest.raises(UsageError, match=says) as caught:
        prepared(tmp_path, monkeypatch, f'app = "a:b"\n{plan}', TOKEN="abc-s3cret")
    assert caught.value.cure == f"write {cure} in its place"


def test_a_password_that_is_a_word_of_everybody_s_refuses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = 'app = "a:b"\npath = ["/"]\nsetup = "createdb -U postgres shop"'
    prepared(tmp_path, monkeypatch, plan, POSTGRES_PASSWORD="postgres")
    assert redaction.hide("password postgres refused") == "password *** refused"


def test_what_cannot_be_read_back_is_not_stored(
    tmp_path: Path, facts: Measurement, monkeypatch: pytest.MonkeyPatch
) -> None:
    def spoiled(document: dict[str, object]) -> dict[str, object]:
        return clean(document) | {"verdict": "***"}

    monkeypatch.setattr(store, "clean", spoiled)
    with RunFolder.create(tmp_path, "name", NOON) as run:
        with pytest.raises(LackError, match="cannot be stored so that it can be read back"):
            run.write_visit(codec.parse_visit(json.dumps(codec.document(stored_record(facts))).encode()))
        assert codec.visit_files(run.path) == []


def stored_record(facts: Measurement) -> MeasurementRecord:
    evaluation = evaluate(facts)
    return MeasurementRecord.model_validate(
        {name: getattr(part, name) for part in (facts, evaluation) for name in type(part).model_fields}
    )


def test_requests_of_a_run_are_stored_by_method_and_path() -> None:
    request = AppRequest.model_validate({"path": "/login", "method": "POST", "body": "hunter2!", "weight": 2.0})
    plan = ApplicationPlan(app="a:b", requests=[request]).without_contents()
    assert plan.requests == [AppRequest(path="/login", method="POST", weight=2.0)]
