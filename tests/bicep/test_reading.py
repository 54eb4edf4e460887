"""The reader is honest: what it reads it reads as Bicep means it, and what it does not know it refuses."""

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.bicep.deploying import Deployment, Templates
from tests.bicep.reading import read
from tests.bicep.syntax import BicepError, Call, Choice, Literal, Loop, Member, Name, Text

MAIN = "output answer string = {}\n"


def worked_out(folder: Path, expression: str, before: str = "") -> object:
    (folder / "main.bicep").write_text(before + MAIN.replace("{}", expression), "utf-8")
    (folder / "main.bicepparam").write_text("using 'main.bicep'\n", "utf-8")
    return Templates(folder).deploy().outputs["answer"]


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("'it\\'s ${1 + 2 * 3}'", "it's 7"),
        ("'a${'b${'c'}'}'", "abc"),
        ("true ? 'yes' : 'no'", "yes"),
        ("false\n    ? 'yes'\n    : empty('') ? 'empty' : 'full'", "empty"),
        ("join(concat(['a'], ['b', 'c']), '-')", "a-b-c"),
        ("join([for (x, i) in ['a', 'b']: '${x}${i}'], ',')", "a0,b1"),
        ("string", BicepError),
        ("!empty('') && true || false ? 'a' : 'b'", "b"),
        ("'x' == 'x' ? union({ a: { b: 'old', c: 'kept' } }, { a: { b: 'new' } }).a.c : ''", "kept"),
        ("cidrSubnet('10.0.0.0/22', 24, 2)", "10.0.2.0/24"),
        ("environment().suffixes.storage", "core.windows.net"),
        ("null ?? 'instead'", "instead"),
        ("1 + ", BicepError),
        ("[1, 2", BicepError),
        ("nobody()", BicepError),
        ("{ a: 'x' }.b", BicepError),
        ("'never ends", BicepError),
        ("{ a: 1, a: 2 }", BicepError),
        ("[1 2]", BicepError),
    ],
)
def test_an_expression_means_what_bicep_says(tmp_path: Path, expression: str, value: object) -> None:
    if value is BicepError:
        with pytest.raises(BicepError):
            worked_out(tmp_path, expression)
    else:
        assert worked_out(tmp_path, expression) == value


def test_the_parts_of_a_file_are_told_apart() -> None:
    file = read(
        "// why\n@description('Required. A.')\n@minLength(3)\nparam a string\nparam b 'x' | 'y' = 'x'\n"
        "@export()\ntype t = {\n  c: int?\n}\nimport { d } from './e.bicep'\nvar f = [for g in a: { h: g! }]\n"
        "resource i 'A/b@1' existing = {\n  name: a\n}\nmodule j 'k.bicep' = if (b == 'x') {\n  params: {}\n}\n"
        "output l string = j.?outputs.m ?? '${f}'\n"
    )

    assert file.params["a"].description == "Required. A."
    assert file.params["b"].type == "'x' | 'y'"
    assert file.imports == {"d": "./e.bicep"}
    assert isinstance(file.variables["f"].value, Loop)
    assert file.resources["i"].existing
    assert file.modules["j"].condition is not None
    assert file.outputs["l"].value.operands == (Member(Member(Name("j"), "outputs"), "m"), Text(("", Name("f"), "")))


def test_a_choice_binds_least() -> None:
    value = read("var a = b || c ? d : e ? f : g\n").variables["a"].value

    assert isinstance(value, Choice)
    assert value.no == Choice(Name("e"), Name("f"), Name("g"))


def test_a_method_is_no_function() -> None:
    value = read("var a = b.listKeys().keys[0]\n").variables["a"].value

    assert value.of.of == Call("listKeys", (), Name("b"))
    assert value.at == Literal(0)


@given(st.text())
@example("var a = '${")
@example("@")
@example("'\\")
@example("resource")
@example("param a {")
@example("var a = " + "(" * 5000)
@example("var a = " + "'${" * 300)
def test_any_text_is_a_file_or_a_problem(text: str) -> None:
    with suppress(BicepError):
        read(text)


@given(
    st.lists(
        st.sampled_from(
            [
                "@",
                "a",
                "{",
                "}",
                "[",
                "]",
                "(",
                ")",
                ":",
                "?",
                "=",
                ",",
                "!",
                ".",
                "'b'",
                "'${c}'",
                "for",
                "in",
                "resource",
                "var",
                "param",
                "if",
                "\n",
                "1",
                "&&",
                "|",
            ]
        )
    )
)
def test_any_order_of_its_words_is_a_file_or_a_problem(words: list[str]) -> None:
    with suppress(BicepError):
        read(" ".join(words))


RESOURCE = "resource made 'A/b@1' = {{\n  name: {name}\n}}\n"
MODULES = {
    "other.bicep": "param p string\nresource r 'A/b@1' = {\n  name: p\n}\noutput o string = r.properties.x\n",
    "sized.bicep": "@minValue(3)\nparam size int\n",
}


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        (RESOURCE.format(name="other.properties.x") + "resource other 'A/c@1' = {\n  name: 'o'\n}\n", "beforehand"),
        ("module m 'other.bicep' = {\n  params: {}\n}\n", "lacks its parameter p"),
        ("module m 'other.bicep' = {\n  params: { p: 'x', q: 'y' }\n}\n", "has no parameter"),
        ("module m 'other.bicep' = {\n  params: { p: 1 }\n}\n", "no string"),
        ("module m 'sized.bicep' = {\n  params: { size: 2 }\n}\n", "against @minValue"),
        ("module m 'gone.bicep' = {\n  params: {}\n}\n", "is not there"),
        ("module m 'other.bicep' = {\n  params: { p: 'x' }\n}\noutput a string = m.outputs.q\n", "has no output q"),
        (
            "module m 'other.bicep' = if (false) {\n  params: { p: 'x' }\n}\noutput a string = m!.outputs.o\n",
            "is not deployed",
        ),
        (
            "module m 'other.bicep' = {\n  params: { p: 'x' }\n}\nresource n 'A/b@1' = {\n  name: m.outputs.o\n}\n",
            "comes later",
        ),
        ("var a = b\nvar b = a\n", "hangs on itself"),
        ("resource made 'A/b/c@1' = {\n  name: 'x'\n}\n", "needs a parent"),
        ("var a = gone\n", "nothing is called gone"),
        ("var a = 1\nvar a = 2\n", "declared twice"),
    ],
)
def test_what_azure_would_refuse_is_refused_on_paper(tmp_path: Path, source: str, problem: str) -> None:
    for name, text in MODULES.items():
        (tmp_path / name).write_text(text, "utf-8")

    with pytest.raises(BicepError, match=problem):
        worked_out(tmp_path, "''", source)


def test_what_comes_later_is_known_within_a_module(tmp_path: Path) -> None:
    (tmp_path / "other.bicep").write_text(MODULES["other.bicep"], "utf-8")
    source = RESOURCE.format(name="'x'") + "module m 'other.bicep' = {\n  params: { p: made.properties.y }\n}\n"
    (tmp_path / "main.bicep").write_text(source, "utf-8")
    (tmp_path / "main.bicepparam").write_text("using 'main.bicep'\n", "utf-8")
    paper: Deployment = Templates(tmp_path).deploy()

    assert [each.name for each in paper.resources] == ["x", "</A/b/x>.properties.y"]
