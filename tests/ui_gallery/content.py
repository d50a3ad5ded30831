"""Made-up content, in the shapes that the partials take."""

from types import SimpleNamespace as It

from django import forms

RAW = (
    "BREAKING: The Harbour Board has revealed that it will spend a massive $4,500,000 on the repair of the north pier, "
    "which was damaged by the storm on 5 March, and organizers say that around 1200000 people could be affected!!"
)
BRIEF = (
    "Harbour Board to repair north pier\n\nThe Harbour Board will spend $4.5m on repairs to the north pier. "
    "A storm damaged it on March 5th."
)
DIFF = [
    ("delete", "BREAKING: "),
    ("equal", "The Harbour Board "),
    ("delete", "has revealed that it "),
    ("equal", "will spend "),
    ("delete", "a massive $4,500,000 on the repair of"),
    ("insert", "$4.5m on repairs to"),
    ("equal", " the north pier"),
    ("delete", ", which was damaged by the storm on 5 March, and organizers say …!!"),
    ("insert", ". A storm damaged it on March 5th."),
]
TITLES = [
    "Harbour Board to repair north pier",
    "Rail strike ends after nine days",
    "Council votes on new library hours",
    "Two rescued from flooded mine",
    "Bakery chain recalls rye bread over glass found in a Saturday delivery to forty shops",
    "University opens wind laboratory",
    "Ferry fares rise 4%",
    "Orchard growers expect record crop",
]
STATUSES = ["accepted", "accepted", "draft", "rejected", "accepted", "skipped", "failed", "accepted"]
LABELS = ["Data", "Review", "Distil", "Versions", "Train", "Models", "Compare", "Evaluate", "Settings"]
COUNTS = [144, 12, 3, 2, 4, 3, 27, 2, None]
TEAM = It(pk=1, name="Plain Desk")
PROJECT = It(pk=1, name="News briefs in house style", team=TEAM)


def steps(active: str) -> list[dict]:
    return [
        {
            "key": label.lower(),
            "label": label,
            "count": count,
            "url": f"/{label.lower()}/",
            "active": label.lower() == active,
        }
        for label, count in zip(LABELS, COUNTS, strict=True)
    ]


def job(status: str = "running", **changes: object) -> It:
    values = {
        "pk": 7,
        "title": "Distil with Mistral Large",
        "status": status,
        "get_status_display": status.capitalize(),
        "percent": 64.6,
        "done": 93,
        "total": 144,
        "unit": "rows",
        "rate": 3.42,
        "time_left": 15.0,
        "seconds": 27.2,
        "error": "",
        "line": "91 ok, 1 failed, 1 skipped · $0.04 so far",
        "is_live": status in ("queued", "running", "paused"),
        "is_over": status in ("done", "failed", "cancelled"),
        "cancel_wanted": False,
        "pause_wanted": False,
    }
    return It(**(values | changes))


RUNNING = [
    {"title": "Train student v2", "percent": 41.0, "line": "step 128 of 312 · loss 1.204", "url": "/train/"},
    {"title": "Distil with Mistral Large", "percent": None, "line": "Asking the teacher", "url": "/distil/"},
]


def cards() -> list[dict]:
    lines = [
        ("144 briefs in one dataset, 3 rows could not be read", "Import more"),
        ("12 rewrites wait for a person", "Review"),
        ("132 of 144 answered by Mistral Large", ""),
        ("Version 2 holds 120 train, 12 validation and 12 test records", ""),
        ("Student v2 is training, 41%", "See the run"),
        ("Base and student v1 are served", ""),
        ("27 votes, student v1 won 19", "Compare"),
        ("Student v1 keeps every rule in 9 of 12", ""),
    ]
    return [
        {
            "step": It(key=label.lower(), label=label),
            "url": f"/{label.lower()}/",
            "state": It(count=count, line=line, action=action, url=f"/{label.lower()}/"),
        }
        for label, count, (line, action) in zip(LABELS, COUNTS, lines, strict=False)
    ]


class ExampleForm(forms.Form):
    name = forms.CharField(help_text="Shown in the rail and on every page.", max_length=40)
    base = forms.ChoiceField(label="Base model", choices=[("s", "SmolLM2-135M-Instruct"), ("m", "Ministral-8B")])
    rate = forms.FloatField(label="Learning rate", initial=0.001, help_text="Falls linearly to zero over the run.")
    prompt = forms.CharField(
        label="System prompt", widget=forms.Textarea, required=False, initial="Rewrite as a Plain Desk brief."
    )
    method = forms.ChoiceField(
        choices=[("lora", "LoRA"), ("qlora", "QLoRA in four bits")], widget=forms.RadioSelect, initial="lora"
    )
    keep = forms.BooleanField(label="Keep every checkpoint", required=False, help_text="Takes about 20 MB each.")


def form() -> ExampleForm:
    return ExampleForm({"name": "", "base": "s", "rate": "fast", "prompt": "Rewrite.", "method": "lora"})


def records() -> list[dict]:
    return [
        {
            "pk": 100 + i,
            "title": title,
            "status": status,
            "topic": ["City", "Transport", "Culture"][i % 3],
            "tokens": 120 + 37 * i % 91,
            "at": "2026-01-12T09:30:00Z",
        }
        for i, (title, status) in enumerate(zip(TITLES, STATUSES, strict=True))
    ]


def losses(steps: int = 120) -> dict:
    train = [[s, round(0.9 + 2.2 / (1 + s / 14) + 0.06 * ((s * 7919) % 13 / 13 - 0.5), 4)] for s in range(1, steps + 1)]
    valid = [[s, round(1.0 + 2.05 / (1 + s / 14), 4)] for s in range(10, steps + 1, 10)]
    return {
        "x": "Step",
        "y": "Loss",
        "series": [{"name": "Training", "points": train}, {"name": "Validation", "points": valid}],
        "done": True,
    }
