from concurrent.futures import ThreadPoolExecutor

import PIL.Image
import pytest

from frozenvl.util.errors import UnreadableImage
from frozenvl.video.frame_buffer import FrameBuffer


class Clip:
    """A clip of one-pixel frames, which counts its decodings."""

    def __init__(self):
        self.decoded = []

    def decode(self, indices):
        self.decoded.append([*indices])
        return {index: PIL.Image.new("RGB", (1, 1), (index, 0, 0)) for index in indices}


def test_frames_of_a_group_are_decoded_once():
    clip, buffer = Clip(), FrameBuffer()
    taken = [buffer.take(clip, index, (3, 5, 8)).getpixel((0, 0))[0] for index in (5, 3, 8)]
    assert taken == [5, 3, 8] and clip.decoded == [[3, 5, 8]]
    assert buffer._bytes == 0 and not buffer._waiting


def test_a_frame_that_was_handed_out_is_decoded_again():
    clip, buffer = Clip(), FrameBuffer()
    for _ in range(2):
        assert buffer.take(clip, 1, (1, 2)).getpixel((0, 0)) == (1, 0, 0)
    assert clip.decoded == [[1, 2]] * 2 and buffer._bytes == 3
    assert buffer.take(clip, 7, (1, 2)).getpixel((0, 0)) == (7, 0, 0)
    assert clip.decoded[-1] == [7]


def test_the_oldest_clips_are_dropped_beyond_the_limit():
    buffer, clips = FrameBuffer(limit=6), [Clip() for _ in range(3)]
    for clip in clips:
        buffer.take(clip, 0, (0, 1))
    assert buffer._bytes == 6
    buffer.take(clips[2], 1, (0, 1))
    buffer.take(clips[0], 1, (0, 1))
    assert len(clips[2].decoded) == 1 and len(clips[0].decoded) == 2


def test_threads_share_a_decoding():
    clip, buffer = Clip(), FrameBuffer()
    with ThreadPoolExecutor(4) as pool:
        taken = [*pool.map(lambda index: buffer.take(clip, index, range(8)).getpixel((0, 0))[0], range(8))]
    assert taken == [*range(8)] and len(clip.decoded) == 1


def test_an_error_leaves_the_buffer_usable():
    class Broken(Clip):
        def decode(self, indices):
            raise UnreadableImage("broken")

    buffer = FrameBuffer()
    for _ in range(2):
        with pytest.raises(UnreadableImage):
            buffer.take(Broken(), 0, (0,))
