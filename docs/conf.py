"""The documentation's site: `make docs` builds it into build/docs."""

project = "Whyness → Mixpanel"
extensions = ["myst_parser"]
exclude_patterns = ["samples"]
html_theme = "furo"
html_title = project
html_copy_source = False
html_use_index = False
html_show_copyright = False
html_show_sphinx = False
# Each heading can be linked to, by the name that it has where the files are read without the site.
myst_heading_anchors = 4
html_static_path = ["_static"]
html_css_files = ["site.css"]
# A block that names no language is a terminal or a drawing.
highlight_language = "none"
# Messages are quoted as they are printed.
smartquotes = False
