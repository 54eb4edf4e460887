"""Frames between host and worker survive any cutting, and typed data survives the frames."""

from hypothesis import given
from hypothesis import strategies as st

from local.host.datums import Datum, read_datum, write_datum
from local.host.frames import JOIN_BELOW, FrameReader, write_frame

headers = st.dictionaries(st.text().filter(lambda name: name != "blobs"), st.integers() | st.text() | st.none())
frames = st.lists(st.tuples(headers, st.lists(st.binary())), max_size=5)


@given(frames, st.integers(1, 50))
def test_frames_come_out_as_they_went_in_however_they_are_cut(
    sent: list[tuple[dict[str, object], list[bytes]]], size: int
) -> None:
    stream = b"".join(piece for header, blobs in sent for piece in write_frame(header, blobs))
    reader = FrameReader()
    received = [frame for at in range(0, len(stream), size) for frame in reader.feed(stream[at : at + size])]
    assert received == sent


def test_large_blobs_are_not_copied_into_one_piece() -> None:
    blob = b"x" * JOIN_BELOW
    pieces = write_frame({}, [blob])
    assert pieces[1] is blob
    assert len(write_frame({}, [b"small", b"too"])) == 1


datums = (
    st.builds(Datum, st.just("bytes"), st.binary())
    | st.builds(Datum, st.sampled_from(["string", "json"]), st.text())
    | st.builds(Datum, st.just("int"), st.integers())
    | st.builds(Datum, st.just("collection_bytes"), st.lists(st.binary()))
    | st.builds(Datum, st.just("collection_string"), st.lists(st.text()))
    | st.builds(Datum, st.just("collection_sint64"), st.lists(st.integers()))
    | st.just(Datum(None, None))
    | st.builds(lambda body, url: Datum("http", {"url": url, "headers": {}, "body": body}), st.binary(), st.text())
)


@given(st.lists(datums))
def test_typed_data_survives_the_frames(given: list[Datum]) -> None:
    blobs: list[bytes] = []
    entries = [write_datum(datum, blobs) for datum in given]
    assert [read_datum(entry, blobs) for entry in entries] == given
