"""The text of Python's documentation, as this Python has it."""

import hashlib
import pydoc_data.topics

from workers import tasks
from workers.data import pydoc_text


def test_the_fingerprint_is_that_of_the_text_and_the_task_s_version():
    topics = pydoc_data.topics.topics
    text = "\f".join(topics[name] for name in sorted(topics))
    digest = hashlib.sha256(text.encode()).hexdigest()
    assert pydoc_text.fingerprint() == digest
    task = tasks.get("pydoc-charlm")
    assert task.version == int(digest[:6], 16)
    assert digest in task.source


def test_no_paragraph_is_there_twice_and_none_is_lost():
    paragraphs = [" ".join(one.split()) for one in pydoc_text.paragraphs()]
    assert len(set(paragraphs)) == len(paragraphs)
    whole = " ".join(" ".join(topic.split()) for topic in pydoc_text.topics())
    assert all(paragraph in whole for paragraph in paragraphs)
    assert set(whole.split()) == set(" ".join(paragraphs).split())


def test_symbols_say_what_the_text_says():
    symbols = pydoc_text.symbols()
    assert max(symbols) == pydoc_text.VOCABULARY - 1
    said = "".join("\n" if symbol == 0 else chr(symbol + 31) for symbol in symbols)
    text = "\n\n".join(pydoc_text.paragraphs())
    assert said == "".join(c if c == "\n" or " " <= c <= "~" else "\x7f" for c in text)
