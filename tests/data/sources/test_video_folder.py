from pathlib import Path

import pytest
from clips import number_in, videos

from frozenvl.data.detect import identify
from frozenvl.data.sources.video_folder import VideoFolder
from frozenvl.util.errors import UserError


def folder(tmp_path):
    made = Path(videos(tmp_path, "b.MP4", "run/1.mp4", "run/.hidden.mp4", "swim/deep/2.webm"))
    (made / "run" / "1.txt").write_text("a man runs\n\nsomebody  runs\n")
    return made


def test_clips_are_sorted_and_have_the_captions_of_their_text_files(tmp_path):
    source = VideoFolder(str(folder(tmp_path)), sampling="uniform", frames=1)
    assert [(e.id, e.references, e.kind) for e in source] == [
        ("b.MP4", (), {}),
        ("run/1.mp4", ("a man runs", "somebody runs"), {"label": "run"}),
        ("swim/deep/2.webm", (), {"label": "swim"}),
    ]
    assert source.pairs == 2 and source.notes == {"videos without a caption": 2}
    assert [number_in(e.image.frames[0].read()) for e in source] == [101, 201, 401]
    assert source.image_ids() == [e.image_id for e in source]
    assert source.max_frames == 1 and VideoFolder(str(tmp_path)).max_frames == 8


def test_it_is_recognised(tmp_path):
    assert identify(folder(tmp_path)) == [VideoFolder] and identify(tmp_path) == [VideoFolder]


def test_a_folder_without_a_clip_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"holds no video \(\.3gp \.avi .*\.mp4"):
        VideoFolder(str(tmp_path))
    with pytest.raises(UserError, match="no such video folder"):
        VideoFolder(str(tmp_path / "nowhere"))
    with pytest.raises(UserError, match="frames is 0; sampling uniform takes at least 1"):
        VideoFolder(str(folder(tmp_path)), frames=0)
