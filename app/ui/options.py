"""How Streamlit is run: nothing calls home, no error is shown in detail, one dark theme for the room."""

from __future__ import annotations

from collections.abc import Mapping

from streamlit import config

from app.settings import Settings

THEME: Mapping[str, object] = {
    "theme.base": "dark",
    # Chinese characters where the workstation has none: `css/page.css`
    "theme.font": "'Source Sans', 'Janus Han', sans-serif",
    "theme.primaryColor": "#6cb2f2",
    "theme.backgroundColor": "#0b0e12",
    "theme.secondaryBackgroundColor": "#151a20",
    "theme.textColor": "#d7dde4",
    "theme.linkColor": "#6cb2f2",
    "theme.borderColor": "#2a323c",
    "theme.showWidgetBorder": True,
    "theme.baseFontSize": 14,
    "theme.baseRadius": "small",
    "theme.headingFontSizes": ["22px", "18px", "16px", "15px", "14px", "13px"],
    "theme.paddingTop": "0rem",
    "theme.paddingBottom": "0rem",
    "theme.dataframeHeaderBackgroundColor": "#151a20",
}


def streamlit_options(settings: Settings) -> dict[str, object]:
    """Return every option that differs from Streamlit's defaults."""
    return {
        "browser.gatherUsageStats": False,
        "browser.serverAddress": settings.ui_host,
        "client.showErrorDetails": "none",
        "client.showErrorLinks": False,
        "client.showSidebarNavigation": False,
        "client.toolbarMode": "minimal",
        "client.allowedOrigins": [],
        "logger.hideWelcomeMessage": True,
        "runner.magicEnabled": False,
        "server.address": settings.ui_host,
        "server.port": settings.ui_port,
        "server.allowedHosts": list(settings.ui_allowed_hosts),
        "server.enableXsrfProtection": True,
        "server.enableCORS": True,
        "server.enableStaticServing": False,
        "server.fileWatcherType": "none",
        "server.headless": True,
        "server.maxUploadSize": 1,
        "server.maxMessageSize": 32,
        "server.disconnectedSessionTTL": 120,
        "server.showEmailPrompt": False,
        "ui.hideTopBar": True,
        **THEME,
    }


def apply_options(settings: Settings) -> None:
    """Set the options of this process; a configuration file beside it cannot undo them."""
    for key, value in streamlit_options(settings).items():
        config.set_option(key, value)
