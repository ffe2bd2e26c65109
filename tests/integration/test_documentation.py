"""What is written about Headgate agrees with what the binary says about itself."""

import json
import os
import pathlib
import re
import subprocess

import jsonschema
import pytest
import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
HEADGATE = pathlib.Path(os.environ.get("HEADGATE", ROOT / "build/release/headgate")).absolute()

MINIMAL = """\
listeners:
  - {name: imaps, address: "0.0.0.0:993", tls: implicit}
  - {name: imap, address: "0.0.0.0:143", tls: starttls}
tls:
  certificates:
    - {certificate: fullchain.pem, key: privkey.pem}
pools:
  main:
    policy: user_hash
    backends:
      - {address: "127.0.1.1:10143"}
      - {address: "127.0.1.2:10143", weight: 200}
users:
  - {source: backend, pool: main}   # the backend checks the password
admin:
  address: "127.0.0.1:9143"
"""

GENERATED = {
    "configuration": "docs/configuration.md",
    "metrics": "docs/metrics.md",
    "example": "conf/headgate.yaml",
    "schema": "conf/headgate.schema.json",
}


def headgate(*arguments):
    return subprocess.run(
        [HEADGATE, *arguments], capture_output=True, text=True, timeout=60, check=False
    )


def printed(document):
    result = headgate("docs", document)
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.fixture(scope="module")
def schema():
    return json.loads(printed("schema"))


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    folder = tmp_path_factory.mktemp("certificates")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
         "-nodes", "-days", "30", "-subj", "/CN=localhost",
         "-keyout", folder / "privkey.pem", "-out", folder / "fullchain.pem"],
        check=True, capture_output=True,
    )
    return folder


def keys_of(part, path=""):
    """Every key of a JSON Schema, as docs/configuration.md names it."""
    for key, value in part.get("properties", {}).items():
        full = f"{path}.{key}" if path else key
        yield full
        yield from keys_of(value, full)
    if "items" in part:
        yield from keys_of(part["items"], path + "[]")
    if isinstance(part.get("additionalProperties"), dict):
        yield from keys_of(part["additionalProperties"], path + ".NAME")


@pytest.mark.parametrize("document, file", GENERATED.items())
def test_generated_file_is_what_the_binary_prints(document, file):
    assert (ROOT / file).read_text() == printed(document), f"run scripts/generate: {file} is old"


def test_every_configuration_key_is_documented(schema):
    page = (ROOT / "docs/configuration.md").read_text()
    keys = list(keys_of(schema))
    assert len(keys) > 50
    assert [key for key in keys if f"| `{key}` |" not in page] == []


def test_every_configuration_key_is_in_the_example(schema):
    words = set(re.findall(r"^[ #-]*([a-z0-9_]+):", (ROOT / "conf/headgate.yaml").read_text(), re.M))
    assert {key.split(".")[-1] for key in keys_of(schema)} - words == set()


def test_every_metric_is_documented():
    page = (ROOT / "docs/metrics.md").read_text()
    catalog = (ROOT / "proxy/metrics/catalog.h").read_text()
    names = set(re.findall(r'"((?:headgate|process)_[a-z0-9_]+)"', catalog))
    assert len(names) > 15
    assert [name for name in sorted(names) if f"`{name}`" not in page] == []


def test_every_subcommand_and_option_is_documented():
    page = (ROOT / "docs/commands.md").read_text()
    subcommands = re.findall(
        r"^  ([a-z]+) ", headgate("--help").stdout.split("Subcommands:")[1], re.M
    )
    assert {"run", "check", "explain", "docs"} <= set(subcommands)
    for subcommand in subcommands:
        assert f"## `headgate {subcommand}`" in page
        help_text = headgate(subcommand, "--help").stdout
        for option in set(re.findall(r"--[a-z-]+", help_text)) - {"--help"}:
            assert option in page, f"{subcommand} {option}"


@pytest.mark.parametrize("text", [MINIMAL, None], ids=["minimal", "example"])
def test_documented_configuration_passes_check_and_schema(text, certificates, schema):
    text = text or printed("example")
    jsonschema.Draft7Validator.check_schema(schema)
    jsonschema.Draft7Validator(schema).validate(yaml.safe_load(text))
    file = certificates / "headgate.yaml"
    file.write_text(text)
    result = headgate("check", "--config", file)
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith(f"{file}: OK\n")
    assert "2 listeners, 1 pool, 2 backends, 1 user source" in result.stdout
    assert result.stderr == ""


USER_EXAMPLES = [
    (page.name, text)
    for page in sorted((ROOT / "docs/users").glob("*.md"))
    for text in re.findall(r"^```yaml\n(.*?)^```$", page.read_text(), re.M | re.S)
]


@pytest.mark.parametrize("page, text", USER_EXAMPLES)
def test_an_example_of_a_user_source_passes_check_and_schema(page, text, certificates, schema):
    for name in ["users.sqlite", "sql.password", "ldap.password", "master.password"]:
        (certificates / name).write_text("secret\n")
    (certificates / "clients-ca.pem").write_text((certificates / "fullchain.pem").read_text())
    passwd = (ROOT / "docs/users/passwd_file.md").read_text()
    (certificates / "users.passwd").write_text(re.search(r"^# name.*?^```$", passwd, re.M | re.S)[0][:-3])
    rules = (ROOT / "docs/users/map.md").read_text()
    (certificates / "users.map").write_text(re.search(r"^# who .*?^```$", rules, re.M | re.S)[0][:-3])
    config = {**yaml.safe_load(MINIMAL), **yaml.safe_load(text)}
    # The machine of the test has no service of ours.
    (certificates / "headgate").write_text("auth required pam_deny.so\n")
    for source in config["users"]:
        if "pam" in source:
            source["pam"]["directory"] = str(certificates)
    config["pools"]["legacy"] = {"backends": [{"address": "127.0.1.3:10143"}]}
    jsonschema.Draft7Validator(schema).validate(config)
    file = certificates / "user-source.yaml"
    file.write_text(yaml.safe_dump(config))
    result = headgate("check", "--config", file)
    assert result.returncode == 0, result.stderr


def test_schema_refuses_what_the_parser_refuses(schema, certificates):
    validator = jsonschema.Draft7Validator(schema)
    file = certificates / "wrong.yaml"
    for wrong in ["workers: many", "xyzzy: 1", "relay: {idle_timeout: 30}", "log: {level: loud}",
                  "login: {max_line: 1}", "routes: [{domain: a}]"]:
        text = MINIMAL + wrong + "\n"
        assert not validator.is_valid(yaml.safe_load(text)), wrong
        file.write_text(text)
        result = headgate("check", "--config", file)
        assert result.returncode == 1
        assert f"{file}:{len(MINIMAL.splitlines()) + 1}: " in result.stderr


def test_check_reports_a_key_that_does_not_belong_to_its_certificate(certificates):
    other = certificates / "other.pem"
    subprocess.run(["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt",
                    "ec_paramgen_curve:P-256", "-out", other], check=True, capture_output=True)
    file = certificates / "mismatch.yaml"
    file.write_text(MINIMAL.replace("privkey.pem", "other.pem"))
    result = headgate("check", "--config", file)
    assert result.returncode == 1
    assert "other.pem" in result.stderr
    assert "PRIVATE" not in result.stderr


def test_explain_says_which_pool_and_backend_and_why(certificates):
    file = certificates / "explain.yaml"
    file.write_text(MINIMAL + "routes: [{domain: example.org, pool: main}]\n")
    text = headgate("explain", "--config", file, "alice@example.org")
    assert text.returncode == 0, text.stderr
    lines = text.stdout.splitlines()
    assert lines[0] == "user alice@example.org (users[0], source backend)"
    assert lines[1] == "pool main (routes[0]: domain example.org)"
    result = json.loads(headgate("explain", "--config", file, "--json", "alice@example.org").stdout)
    assert result["user"] == "alice@example.org"
    assert result["pool"] == "main"
    assert result["pool_reason"] == "routes[0]: domain example.org"
    assert result["backend"] == result["candidates"][0]
    assert sorted(result["candidates"]) == ["127.0.1.1:10143", "127.0.1.2:10143"]
    assert lines[2].startswith(f"backend {result['backend']} (policy user_hash")
    assert lines[3:] == [f"then {backend}" for backend in result["candidates"][1:]]


def test_explain_spreads_users_by_weight(certificates):
    file = certificates / "spread.yaml"
    file.write_text(MINIMAL)
    chosen = [
        json.loads(headgate("explain", "--config", file, "--json", f"user{i}").stdout)["backend"]
        for i in range(60)
    ]
    assert 0 < chosen.count("127.0.1.1:10143") < chosen.count("127.0.1.2:10143")


def test_wrong_usage_exits_with_2():
    for arguments in [[], ["xyzzy"], ["run"], ["explain", "--config", "x"], ["docs", "xyzzy"]]:
        assert headgate(*arguments).returncode == 2, arguments
    assert headgate("--help").returncode == 0
    assert re.fullmatch(r"headgate \d+\.\d+\.\d+\n", headgate("--version").stdout)
    assert headgate("check", "--config", "/nonexistent").returncode == 1
