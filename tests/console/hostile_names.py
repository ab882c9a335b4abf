"""Names that a careless page would take for its own markup, script or address."""

HOSTILE_TITLE = "<img src=x onerror=\"document.title='owned'\">"
HOSTILE_GAME = "<svg onload=document.title='owned'>"
HOSTILE_USER = '"><b onmouseover=alert(1)>?q=%2e&amp;#{{7*7}}'
