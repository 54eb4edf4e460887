"""The page as steps; what could not be tried is refused, so that nothing on it is mere decoration."""

import pytest

from local.learn.page import Call, Command, Expected, PageError, Program, read_page

ANSWER = "```text\nHTTP/1.1 200 OK\n```\n"


def test_a_call_is_read_as_it_stands() -> None:
    [call] = read_page(
        "# Title\n\n## One\n\n```http\n@here = http://x\n# @name made\nPOST {{here}}/a?b=c\nContent-Type: application/json\n"
        'X-Two: 2\n\n{\n\n  "a": 1}\n```\n\nSome words.\n\n```text\nHTTP/1.1 201 Created\nX: y\n\n{…}\n```\n'
    )
    assert call == Call(
        section="One",
        line=6,
        name="made",
        definitions={"here": "http://x"},
        method="POST",
        url="{{here}}/a?b=c",
        headers={"Content-Type": "application/json", "X-Two": "2"},
        body='{\n\n  "a": 1}',
        expected=Expected(status=201, headers={"X": "y"}, body="{…}"),
    )


def test_a_form_may_stand_on_several_lines() -> None:
    [call] = read_page(
        f"```http\nPOST http://x\nContent-Type: application/x-www-form-urlencoded\n\na=1\n&b=2\n```\n{ANSWER}"
    )
    assert isinstance(call, Call)
    assert call.body == "a=1&b=2"


def test_programs_and_commands_are_steps_in_order() -> None:
    steps = read_page(
        "```python\n# here/it.py\nprint(1)\n```\n```sh\n.venv/bin/python here/it.py\n```\n```text\n1\n```\n"
        "```sh\n# in a terminal of its own\n.venv/bin/python serve.py\n```\n"
    )
    assert steps == (
        Program(section="", line=2, name="here/it.py", text="# here/it.py\nprint(1)\n"),
        Command(section="", line=6, words=".venv/bin/python here/it.py", stays=False, output="1"),
        Command(section="", line=12, words=".venv/bin/python serve.py", stays=True, output=""),
    )


@pytest.mark.parametrize(
    ("page", "says"),
    [
        ("```http\nGET http://x\n```\n", "line 2: the page does not show the answer"),
        ("```http\nGET http://x\n```\n```http\nGET http://x\n```\n", "line 2: the page does not show"),
        (f"```http\nFETCH http://x\n```\n{ANSWER}", "begins with a method and a URL"),
        (f"```http\n@only = a definition\n```\n{ANSWER}", "begins with a method and a URL"),
        (f"```http\nGET http://x\nno header\n```\n{ANSWER}", "line 2: a header is a name"),
        ("```http\nGET http://x\n```\n```text\n200\n```\n", "an answer begins with a line such as"),
        (ANSWER, "line 2: a block of text here is neither tried nor an answer"),
        (f"```http\nGET http://x\n```\n{ANSWER}{ANSWER}", "neither tried nor an answer"),
        ("```json\n{}\n```\n", "line 2: a block of json here is neither tried nor an answer"),
        ("```\nwhat is this\n```\n", "a block of no language"),
        ("```python\nprint(1)\n```\n", "a program begins with a comment that names its file"),
        ("```sh\nls\ndate\n```\n", "one command at a time"),
    ],
)
def test_what_could_not_be_tried_is_refused(page: str, says: str) -> None:
    with pytest.raises(PageError, match=says):
        read_page(page)
