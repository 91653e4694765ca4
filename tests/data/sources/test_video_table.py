"""Tables of clips: WebVid's, and others by the names of their columns."""

from __future__ import annotations

import pytest
from clips import videos
from published_layouts import recognised

from frozenvl.data.sources.video_table import VideoTable
from frozenvl.util.errors import UserError

WEBVID = """videoid,contentUrl,duration,page_dir,name
21179416,https://x/21179416.mp4,PT00H00M11S,006001_006050,"Aerial shot, winter forest"
5629184,https://x/5629184.mp4,PT00H00M29S,071501_071550,Senior couple
5629184,https://x/5629184.mp4,PT00H00M29S,071501_071550,a couple
77,https://x/77.mp4,PT00H00M29S,071501_071550,
"""


def read(folder, text=WEBVID, **options):
    (folder / "results.csv").write_text(text)
    return VideoTable(str(folder / "results.csv"), videos(folder, "006001_006050/21179416.mp4"), **options)


def test_webvid(tmp_path):
    source = read(tmp_path)
    assert [(e.id, e.references) for e in source] == [
        ("006001_006050/21179416.mp4", ("Aerial shot, winter forest",)),
        ("071501_071550/5629184.mp4", ("Senior couple", "a couple")),
    ]
    assert source.notes == {"rows without a caption left out": 1}
    assert len(source[0].image.frames) == 8


def test_columns_are_named_in_the_pattern(tmp_path):
    text = "clip\ttext\n006001_006050/21179416\tsnow\n"
    (example,) = read(tmp_path, text, file="{clip}", caption="text")
    assert (example.id, example.image.name, example.references) == (
        "006001_006050/21179416",
        "21179416.mp4",
        ("snow",),
    )


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        (
            WEBVID,
            {"caption": "text"},
            "not a table of video clips .its header has no 'text'; file and caption",
        ),
        (WEBVID, {"file": "{id}.mp4"}, "its header has no 'id'"),
        (WEBVID, {"file": "clip.mp4"}, "file 'clip.mp4' needs columns of the table in braces"),
        (WEBVID, {"file": "{}.mp4"}, "needs columns of the table in braces"),
        (WEBVID + ",x,y,071501_071550,name\n", {}, "line 6: 'videoid' is empty"),
        (WEBVID + "7,x\n", {}, "line 6 has 2 fields, the header 5"),
        (WEBVID.partition("\n")[0], {}, "lists no videos"),
    ],
)
def test_other_tables_are_refused(tmp_path, text, options, message):
    with pytest.raises(UserError, match=message):
        read(tmp_path, text, **options)


def test_it_recognises_its_own_files_only():
    assert recognised(VideoTable) == {"WebVid"}
