"""Customers that mean harm: markup, quotes, controls and too much of everything, in every field."""

MARKUP = "<script>alert(1)</script>"
IMAGE = '"><img src=x onerror=alert(1)>'
QUOTES = "'; DROP TABLE customers; --"
OVERRIDE = "Invoice \u202efdp.exe"
ENDS = "</title></script></textarea><svg onload=alert(1)>"
ENTITIES = "&lt;b&gt;Bold&lt;/b&gt; &amp;amp; &#x3c;"
LONG = "Long" * 1250
TEMPLATES = "{{constructor.constructor('alert(1)')()}} ${alert(1)} <%= 1 %>"
STACKED = "Za" + "\u0334\u0335\u0321\u0322" * 8 + "lgo"
CONTROLS = "nul \u0000 bell \u0007 tab \t line \n end"
NAMES = (MARKUP, IMAGE, QUOTES, OVERRIDE, ENDS, ENTITIES, LONG, TEMPLATES, STACKED, CONTROLS)
# IDs are in addresses: each of these must lead to its own customer.
IDS = ("..", ".", "a/b?c#d", "%2e%2e", "raw", "<img src=x onerror=alert(3)>", "two  blanks", "100%", "\u202eidi", "x" * 300)


def harm(customer_id, name):
    """A customer with this name, and harm wherever else a text can be."""
    return {
        "customerId": customer_id,
        "customerType": "BUSINESS",
        "name": name,
        "contact": {"email": f"{name[:60]}@example.com", "msisdn": "+4670<b>123</b>"},
        "identity": IMAGE,
        "preferredLocale": MARKUP,
        "humanReadableId": f"H-{customer_id[:40]}",
        "referenceId": f"javascript:alert('{customer_id[:40]}')",
        "billing": {"method": ENDS, "currency": "<i>", "email": QUOTES, "address": {"street1": IMAGE, "city": MARKUP, "country": "SE"}},
        "users": [{"userId": MARKUP, "name": IMAGE, "role": ENDS}, {"userId": "u-2", "name": LONG, "role": None}],
        "shipping": {"name": MARKUP, "address": {"street1": TEMPLATES}, "instructions": LONG},
        "metadata": {MARKUP: IMAGE, "nested": {"list": [1.10, None, OVERRIDE]}, "long": LONG},
        IMAGE: MARKUP,
    }


def plain(number, kind="CONSUMER", country="SE", **more):
    return {
        "customerId": f"plain-{number:03}",
        "customerType": kind,
        "name": f"Lindgren {number}",
        "contact": {"email": f"lindgren{number}@example.com", "msisdn": f"+4670{number:07}"},
        "referenceId": f"crm-{number}",
        "billing": {"address": {"street1": f"Storgatan {number}", "city": "Uppsala", "country": country}},
    } | more


_harmful = [harm(f"harm-{index}", name) for index, name in enumerate(NAMES)] + [harm(id, f"Called {id}") for id in IDS]
_crowd = [plain(number, "BUSINESS" if number % 3 == 0 else "CONSUMER", "NO" if number % 4 == 0 else "SE") for number in range(130)]
# plain-001 changes; plain-002 is deleted, plain-003 too, and comes back; plain-004 takes somebody's referenceId; one can't be read.
_changed = [
    plain(1, name=IMAGE, metadata={"note": MARKUP}) if customer["customerId"] == "plain-001" else customer
    for customer in _crowd
    if customer["customerId"] not in ("plain-002", "plain-003")
]
_conflict = [
    plain(4, referenceId="crm-5") if customer["customerId"] == "plain-004" else customer
    for customer in _changed[:2] + [plain(3)] + _changed[2:]
]
_unreadable = '{"customerId":"","name":"<script>alert(4)</script>","referenceId":"\\"><img src=x onerror=alert(4)>"}'

# The last day is the first that a test sees.
HOSTILE_DAYS = (
    _crowd + _harmful,
    _changed + _harmful,
    _conflict + _harmful,
    _conflict + _harmful + [_unreadable],
)
