"""What a chat model wrote becomes HTML that can do nothing."""

from __future__ import annotations

from time import thread_time

import pytest

from florilegium.server.page.replies import reply_to_html


def html(text: str) -> str:
    return reply_to_html(text, cited=[1, 2], open_label="Open {number}").strip()


def test_markdown_is_laid_out() -> None:
    assert html("**a** and `b`") == "<p><strong>a</strong> and <code>b</code></p>"
    assert "<table>" in html("| a |\n|---|\n| 1 |")


@pytest.mark.parametrize(
    "text",
    [
        "Both:\n| a | b |\n|---|---|\n| 1 | 2 |",
        "- x\n| a | b |\n|---|---|\n| 1 | 2 |",
        "1. x\n2. y\n| a | b |\n|:--|--:|\n| 1 | 2 |",
        "| a | b |\n|---|\n| 1 | 2 |",
        "| a | b |\n|---|---|---|\n| 1 | 2 |",
        "a | b\n--|--\n1 | 2",
    ],
)
def test_tables_that_models_write_are_tables(text: str) -> None:
    made = html(text)

    assert made.count("<table>") == 1
    assert "|" not in made
    for cell in ("a", "b", "1", "2"):
        assert f">{cell}</t" in made


def test_what_is_no_table_keeps_its_bars() -> None:
    assert html("```\n- x\n| a | b |\n|---|\n```") == (
        "<pre><code>- x\n| a | b |\n|---|\n</code></pre>"
    )
    assert html("either | or") == "<p>either | or</p>"
    assert "|" not in html("| <b> | [1] |\n|---|---|\n| <img src=x> | 2 |")
    assert "&lt;img src=x&gt;</td>" in html("- x\n| <b> | [1] |\n|---|---|\n| <img src=x> | 2 |")


def test_numbers_of_sources_become_buttons_and_others_vanish_or_stay_text() -> None:
    button = (
        '<button type="button" class="fl-cite" data-cite="{0}" aria-label="Open {0}">{0}</button>'
    )

    assert html("So it is [1].") == (
        f'<p>So it <span class="fl-glue">is{button.format(1)}</span>.</p>'
    )
    assert html("So [1, 2].") == (
        f'<p><span class="fl-glue">So{button.format(1)}{button.format(2)}</span>.</p>'
    )
    assert html("So [3].") == "<p>So [3].</p>"
    assert html("`[1]`") == "<p><code>[1]</code></p>"


def test_a_number_holds_on_to_a_word_and_in_chinese_to_two_characters() -> None:
    assert html("a bee [1]").startswith('<p>a <span class="fl-glue">bee<button')
    assert html("绿茶不发酵。[1]").startswith('<p>绿茶不发<span class="fl-glue">酵。<button')
    assert html("x" * 30 + " [1]").startswith("<p>" + "x" * 10 + '<span class="fl-glue">')


def test_the_label_of_a_button_is_escaped() -> None:
    made = reply_to_html("[1]", cited=[1], open_label='"><script>{number}')

    assert "<script>" not in made


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "[x](javascript:alert(1))",
        "[x](JaVaScRiPt:alert(1))",
        "[x](data:text/html;base64,PHNjcmlwdD4=)",
        "[x](vbscript:alert(1))",
        "![x](http://evil.example/p.png)",
        "![x](data:image/svg+xml,<svg onload=alert(1)>)",
        "<a href='javascript:alert(1)'>x</a>",
        "[1]: javascript:alert(1)\n\n[1]",
        '[x](http://a.example/"onmouseover="alert(1))',
        "<http://a.example/><svg/onload=alert(1)>",
        "```<script>\nalert(1)\n```",
        "- x\n| <img src=x onerror=alert(1)> |\n|---|---|\n| <script>alert(1)</script> |",
    ],
)
def test_nothing_that_runs_or_loads_comes_through(text: str) -> None:
    made = html(text).lower()

    for harmful in ("<script", "<img", "<svg", 'href="javascript', 'href="data', 'href="vbscript'):
        assert harmful not in made
    assert ' onmouseover="' not in made


def test_links_lead_to_the_web_alone_and_tell_it_nothing() -> None:
    assert html("[x](https://a.example/?a=1&b=2)") == (
        '<p><a href="https://a.example/?a=1&amp;b=2" target="_blank" '
        'rel="noopener noreferrer nofollow">x</a></p>'
    )
    assert html("[x](/api/libraries)") == "<p><a>x</a></p>"


def test_a_reply_of_very_many_blanks_is_shown_at_once() -> None:
    begun = thread_time()

    assert html("a" + " " * 40_000 + "b [1]").endswith(">1</button></span></p>")

    assert thread_time() - begun < 1
