"""Look of the page: system fonts only, so that nothing is fetched, and the page's own styles."""

from __future__ import annotations

import gradio as gr
from gradio.themes.utils.fonts import Font

SANS = ("system-ui", "-apple-system", "Segoe UI", "Roboto", "Noto Sans", "Liberation Sans", "sans-serif")
MONO = ("ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "DejaVu Sans Mono", "monospace")

CSS = """
.dark { --color-accent: var(--primary-400); }
.gradio-container { width: 100% !important; max-width: 1220px !important; margin: 0 auto !important; }
.gradio-container > main { padding: 18px 20px 40px !important; width: 100% !important; }
#top { padding: 0 2px 4px; }
#top h1 { font-size: 1.45rem; font-weight: 650; margin: 0 0 2px; letter-spacing: -.01em; }
#top p { margin: 0; color: var(--body-text-color-subdued); font-size: .88rem; overflow-wrap: anywhere; }
.note, .note p { color: var(--body-text-color-subdued); font-size: .88rem; }
.answer textarea { font-size: 1.08rem !important; line-height: 1.5; }
[id^=shot-] { border: 1px solid var(--border-color-primary); border-radius: var(--radius-lg); padding: 8px; }
.tools { gap: 6px !important; }
.tools button { min-width: 40px !important; }
.panel .prompt-head, .panel .bars { margin-top: 18px; }
.prompt { font: .84rem/1.75 var(--font-mono); white-space: pre-wrap; overflow-wrap: anywhere; }
.prompt .t { border-radius: 3px; padding: 1px 0; }
.prompt .t:nth-child(odd) { background: color-mix(in srgb, var(--color-accent) 12%, transparent); }
.prompt .t:nth-child(even) { background: color-mix(in srgb, var(--color-accent) 24%, transparent); }
.prompt .i { border: 1px solid var(--color-accent); border-radius: 6px; padding: 1px 7px; margin: 0 2px; }
.prompt-head { color: var(--body-text-color-subdued); font-size: .85rem; margin: 0 0 4px; }
.bars { display: grid; grid-template-columns: minmax(4em, 40%) 1fr 4em; gap: 8px 12px; align-items: center; }
.bars .text { overflow-wrap: anywhere; }
.bars .share { text-align: right; font-variant-numeric: tabular-nums; }
.bars .track { height: 10px; border-radius: 5px; background: var(--border-color-primary); }
.bars .bar { height: 10px; border-radius: 5px; background: var(--color-accent); min-width: 2px; }
.chat button[aria-label="Share"], .chat button[title="Share"] { display: none; }  /* it would go to another server */
button:focus-visible, textarea:focus-visible, input:focus-visible, [role=tab]:focus-visible, a:focus-visible {
  outline: 2px solid var(--color-accent) !important; outline-offset: 2px; }
@media (max-width: 640px) {
  .gradio-container > main { padding: 12px 10px 32px !important; }
}
"""


def theme() -> gr.themes.Base:
    """Returns the theme."""
    return gr.themes.Base(
        primary_hue="teal",
        secondary_hue="teal",
        neutral_hue="slate",
        font=[Font(name) for name in SANS],
        font_mono=[Font(name) for name in MONO],
        radius_size="md",
    ).set(
        block_label_text_size="*text_sm",
        block_title_text_weight="600",
        button_large_text_weight="600",
        button_primary_background_fill="*primary_700",
        button_primary_background_fill_hover="*primary_800",
        button_primary_text_color="white",
        button_primary_background_fill_dark="*primary_700",
        button_primary_background_fill_hover_dark="*primary_600",
        color_accent="*primary_600",
        body_text_color_subdued="*neutral_600",
        body_text_color_subdued_dark="*neutral_300",
        block_info_text_color="*neutral_600",
        block_info_text_color_dark="*neutral_300",
        input_placeholder_color="*neutral_500",
        input_placeholder_color_dark="*neutral_400",
        body_background_fill="*neutral_50",
        body_background_fill_dark="*neutral_950",
    )


def panel(label: str) -> gr.HTML:
    """Returns a panel for a piece of HTML."""
    return gr.HTML(
        label=label, show_label=True, container=True, padding=True, min_width=280, elem_classes="panel"
    )
