"""Which methods a page answers, beside Django's `require_GET` and `require_POST`."""

from django.views.decorators.http import require_http_methods

require_GET_POST = require_http_methods(["GET", "POST"])  # a form: shown, and sent to its own URL
