"""Filters that every template has (see `eloquent.page_nonces`)."""

from django import template

from eloquent.page_nonces import with_nonce

register = template.Library()
register.filter("with_nonce", with_nonce)
