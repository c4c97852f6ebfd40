//! The currencies: one table of our own, with the digits that amounts have here.
//!
//! Every service, page and export takes the digits from here. They are those of ISO 4217, but for the rupiah: IDR counts whole rupiah here,
//! where ISO 4217 has two digits (a test lists every difference). The codes are all that ISO 4217 has, because a ledger may hold any of
//! them; which may be opened is the operator's choice, from those that people can spend ([`Currency::is_spent`]).

use crate::{Currency, UnknownCurrency};

/// One currency.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    pub(crate) code: [u8; 3],
    pub(crate) numeric: u16,
    pub(crate) exponent: u8,
    pub(crate) name: &'static str,
    pub(crate) is_spent: bool,
}

/// A currency that people can spend somewhere.
const fn spent(code: &[u8; 3], numeric: u16, exponent: u8, name: &'static str) -> Row {
    Row {
        code: *code,
        numeric,
        exponent,
        name,
        is_spent: true,
    }
}

/// A code for metals, funds, tests, or what was replaced: without digits of its own it counts whole units.
const fn other(code: &[u8; 3], numeric: u16, exponent: u8, name: &'static str) -> Row {
    Row {
        is_spent: false,
        ..spent(code, numeric, exponent, name)
    }
}

impl Currency {
    /// Every currency that people can spend, by code.
    pub fn spent() -> impl Iterator<Item = Currency> {
        let rows = TABLE.iter().filter(|row| row.is_spent);
        rows.map(|row| Currency(row.code))
    }

    /// Every code of ISO 4217.
    pub fn all() -> impl Iterator<Item = Currency> {
        TABLE.iter().map(|row| Currency(row.code))
    }

    /// The number of digits after the point: an amount of 1250 is 12.50 where there are two.
    pub fn exponent(self) -> u8 {
        self.row().map_or(0, |row| row.exponent)
    }

    /// Its name in English.
    pub fn name(self) -> &'static str {
        self.row().map_or("", |row| row.name)
    }

    /// True if people can spend it somewhere; false for metals, funds, test codes and what was replaced.
    pub fn is_spent(self) -> bool {
        self.row().is_some_and(|row| row.is_spent)
    }

    pub(crate) fn row(self) -> Option<&'static Row> {
        find(self.0)
    }
}

pub(crate) fn find(code: [u8; 3]) -> Option<&'static Row> {
    let index = TABLE.binary_search_by_key(&code, |row| row.code).ok()?;
    TABLE.get(index)
}

pub(crate) fn numbered(numeric: u16) -> Result<&'static Row, UnknownCurrency> {
    let index = BY_NUMBER.get(usize::from(numeric)).copied();
    let row = index
        .flatten()
        .and_then(|index| TABLE.get(usize::from(index)));
    row.ok_or(UnknownCurrency)
}

/// Numbers have three digits.
const NUMBERS: usize = 1000;

/// The place in the table of each number.
static BY_NUMBER: [Option<u8>; NUMBERS] = by_number();

#[expect(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    reason = "runs while the program is compiled, where an overflow is an error"
)]
const fn by_number() -> [Option<u8>; NUMBERS] {
    let mut places = [None; NUMBERS];
    let mut index = 0;
    while index < TABLE.len() {
        let number = TABLE[index].numeric as usize;
        assert!(places[number].is_none(), "a number comes twice");
        assert!(
            index <= u8::MAX as usize,
            "the table has more than 256 rows"
        );
        places[number] = Some(index as u8);
        index += 1;
    }
    places
}

/// The table, by code: code, number, digits, name.
#[rustfmt::skip]
static TABLE: &[Row] = &[
    spent(b"AED", 784, 2, "United Arab Emirates dirham"),
    spent(b"AFN", 971, 2, "Afghan afghani"),
    spent(b"ALL", 8, 2, "Albanian lek"),
    spent(b"AMD", 51, 2, "Armenian dram"),
    spent(b"AOA", 973, 2, "Angolan kwanza"),
    spent(b"ARS", 32, 2, "Argentine peso"),
    spent(b"AUD", 36, 2, "Australian dollar"),
    spent(b"AWG", 533, 2, "Aruban florin"),
    spent(b"AZN", 944, 2, "Azerbaijani manat"),
    spent(b"BAM", 977, 2, "Bosnia and Herzegovina convertible mark"),
    spent(b"BBD", 52, 2, "Barbados dollar"),
    spent(b"BDT", 50, 2, "Bangladeshi taka"),
    other(b"BGN", 975, 2, "Bulgarian lev"),
    spent(b"BHD", 48, 3, "Bahraini dinar"),
    spent(b"BIF", 108, 0, "Burundian franc"),
    spent(b"BMD", 60, 2, "Bermudian dollar"),
    spent(b"BND", 96, 2, "Brunei dollar"),
    spent(b"BOB", 68, 2, "Boliviano"),
    other(b"BOV", 984, 2, "Bolivian mvdol"),
    spent(b"BRL", 986, 2, "Brazilian real"),
    spent(b"BSD", 44, 2, "Bahamian dollar"),
    spent(b"BTN", 64, 2, "Bhutanese ngultrum"),
    spent(b"BWP", 72, 2, "Botswana pula"),
    spent(b"BYN", 933, 2, "Belarusian ruble"),
    spent(b"BZD", 84, 2, "Belize dollar"),
    spent(b"CAD", 124, 2, "Canadian dollar"),
    spent(b"CDF", 976, 2, "Congolese franc"),
    other(b"CHE", 947, 2, "WIR Euro"),
    spent(b"CHF", 756, 2, "Swiss franc"),
    other(b"CHW", 948, 2, "WIR Franc"),
    other(b"CLF", 990, 4, "Unidad de Fomento"),
    spent(b"CLP", 152, 0, "Chilean peso"),
    spent(b"CNY", 156, 2, "Chinese yuan"),
    spent(b"COP", 170, 2, "Colombian peso"),
    other(b"COU", 970, 2, "Unidad de Valor Real"),
    spent(b"CRC", 188, 2, "Costa Rican colon"),
    other(b"CUC", 931, 2, "Cuban convertible peso"),
    spent(b"CUP", 192, 2, "Cuban peso"),
    spent(b"CVE", 132, 2, "Cape Verdean escudo"),
    spent(b"CZK", 203, 2, "Czech koruna"),
    spent(b"DJF", 262, 0, "Djiboutian franc"),
    spent(b"DKK", 208, 2, "Danish krone"),
    spent(b"DOP", 214, 2, "Dominican peso"),
    spent(b"DZD", 12, 2, "Algerian dinar"),
    spent(b"EGP", 818, 2, "Egyptian pound"),
    spent(b"ERN", 232, 2, "Eritrean nakfa"),
    spent(b"ETB", 230, 2, "Ethiopian birr"),
    spent(b"EUR", 978, 2, "Euro"),
    spent(b"FJD", 242, 2, "Fiji dollar"),
    spent(b"FKP", 238, 2, "Falkland Islands pound"),
    spent(b"GBP", 826, 2, "Pound sterling"),
    spent(b"GEL", 981, 2, "Georgian lari"),
    spent(b"GHS", 936, 2, "Ghanaian cedi"),
    spent(b"GIP", 292, 2, "Gibraltar pound"),
    spent(b"GMD", 270, 2, "Gambian dalasi"),
    spent(b"GNF", 324, 0, "Guinean franc"),
    spent(b"GTQ", 320, 2, "Guatemalan quetzal"),
    spent(b"GYD", 328, 2, "Guyanese dollar"),
    spent(b"HKD", 344, 2, "Hong Kong dollar"),
    spent(b"HNL", 340, 2, "Honduran lempira"),
    other(b"HRK", 191, 2, "Croatian kuna"),
    spent(b"HTG", 332, 2, "Haitian gourde"),
    spent(b"HUF", 348, 2, "Hungarian forint"),
    spent(b"IDR", 360, 0, "Indonesian rupiah"),
    spent(b"ILS", 376, 2, "Israeli new shekel"),
    spent(b"INR", 356, 2, "Indian rupee"),
    spent(b"IQD", 368, 3, "Iraqi dinar"),
    spent(b"IRR", 364, 2, "Iranian rial"),
    spent(b"ISK", 352, 0, "Icelandic króna"),
    spent(b"JMD", 388, 2, "Jamaican dollar"),
    spent(b"JOD", 400, 3, "Jordanian dinar"),
    spent(b"JPY", 392, 0, "Japanese yen"),
    spent(b"KES", 404, 2, "Kenyan shilling"),
    spent(b"KGS", 417, 2, "Kyrgyzstani som"),
    spent(b"KHR", 116, 2, "Cambodian riel"),
    spent(b"KMF", 174, 0, "Comoro franc"),
    spent(b"KPW", 408, 2, "North Korean won"),
    spent(b"KRW", 410, 0, "South Korean won"),
    spent(b"KWD", 414, 3, "Kuwaiti dinar"),
    spent(b"KYD", 136, 2, "Cayman Islands dollar"),
    spent(b"KZT", 398, 2, "Kazakhstani tenge"),
    spent(b"LAK", 418, 2, "Lao kip"),
    spent(b"LBP", 422, 2, "Lebanese pound"),
    spent(b"LKR", 144, 2, "Sri Lankan rupee"),
    spent(b"LRD", 430, 2, "Liberian dollar"),
    spent(b"LSL", 426, 2, "Lesotho loti"),
    spent(b"LYD", 434, 3, "Libyan dinar"),
    spent(b"MAD", 504, 2, "Moroccan dirham"),
    spent(b"MDL", 498, 2, "Moldovan leu"),
    spent(b"MGA", 969, 2, "Malagasy ariary"),
    spent(b"MKD", 807, 2, "Macedonian denar"),
    spent(b"MMK", 104, 2, "Myanmar kyat"),
    spent(b"MNT", 496, 2, "Mongolian tögrög"),
    spent(b"MOP", 446, 2, "Macanese pataca"),
    spent(b"MRU", 929, 2, "Mauritanian ouguiya"),
    spent(b"MUR", 480, 2, "Mauritian rupee"),
    spent(b"MVR", 462, 2, "Maldivian rufiyaa"),
    spent(b"MWK", 454, 2, "Malawian kwacha"),
    spent(b"MXN", 484, 2, "Mexican peso"),
    other(b"MXV", 979, 2, "Mexican unidad de inversión"),
    spent(b"MYR", 458, 2, "Malaysian ringgit"),
    spent(b"MZN", 943, 2, "Mozambican metical"),
    spent(b"NAD", 516, 2, "Namibian dollar"),
    spent(b"NGN", 566, 2, "Nigerian naira"),
    spent(b"NIO", 558, 2, "Nicaraguan córdoba"),
    spent(b"NOK", 578, 2, "Norwegian krone"),
    spent(b"NPR", 524, 2, "Nepalese rupee"),
    spent(b"NZD", 554, 2, "New Zealand dollar"),
    spent(b"OMR", 512, 3, "Omani rial"),
    spent(b"PAB", 590, 2, "Panamanian balboa"),
    spent(b"PEN", 604, 2, "Peruvian sol"),
    spent(b"PGK", 598, 2, "Papua New Guinean kina"),
    spent(b"PHP", 608, 2, "Philippine peso"),
    spent(b"PKR", 586, 2, "Pakistani rupee"),
    spent(b"PLN", 985, 2, "Polish złoty"),
    spent(b"PYG", 600, 0, "Paraguayan guaraní"),
    spent(b"QAR", 634, 2, "Qatari riyal"),
    spent(b"RON", 946, 2, "Romanian leu"),
    spent(b"RSD", 941, 2, "Serbian dinar"),
    spent(b"RUB", 643, 2, "Russian ruble"),
    spent(b"RWF", 646, 0, "Rwandan franc"),
    spent(b"SAR", 682, 2, "Saudi riyal"),
    spent(b"SBD", 90, 2, "Solomon Islands dollar"),
    spent(b"SCR", 690, 2, "Seychelles rupee"),
    spent(b"SDG", 938, 2, "Sudanese pound"),
    spent(b"SEK", 752, 2, "Swedish krona"),
    spent(b"SGD", 702, 2, "Singapore dollar"),
    spent(b"SHP", 654, 2, "Saint Helena pound"),
    spent(b"SLE", 925, 2, "Sierra Leonean leone"),
    other(b"SLL", 694, 2, "Old Sierra Leonean leone"),
    spent(b"SOS", 706, 2, "Somali shilling"),
    spent(b"SRD", 968, 2, "Surinamese dollar"),
    spent(b"SSP", 728, 2, "South Sudanese pound"),
    spent(b"STN", 930, 2, "São Tomé and Príncipe dobra"),
    spent(b"SVC", 222, 2, "Salvadoran colón"),
    spent(b"SYP", 760, 2, "Syrian pound"),
    spent(b"SZL", 748, 2, "Swazi lilangeni"),
    spent(b"THB", 764, 2, "Thai baht"),
    spent(b"TJS", 972, 2, "Tajikistani somoni"),
    spent(b"TMT", 934, 2, "Turkmenistan manat"),
    spent(b"TND", 788, 3, "Tunisian dinar"),
    spent(b"TOP", 776, 2, "Tongan paʻanga"),
    spent(b"TRY", 949, 2, "Turkish lira"),
    spent(b"TTD", 780, 2, "Trinidad and Tobago dollar"),
    spent(b"TWD", 901, 2, "New Taiwan dollar"),
    spent(b"TZS", 834, 2, "Tanzanian shilling"),
    spent(b"UAH", 980, 2, "Ukrainian hryvnia"),
    spent(b"UGX", 800, 0, "Ugandan shilling"),
    spent(b"USD", 840, 2, "United States dollar"),
    other(b"USN", 997, 2, "United States dollar (next day)"),
    other(b"UYI", 940, 0, "Uruguay peso en unidades indexadas"),
    spent(b"UYU", 858, 2, "Uruguayan peso"),
    other(b"UYW", 927, 4, "Unidad previsional"),
    spent(b"UZS", 860, 2, "Uzbekistan som"),
    spent(b"VED", 926, 2, "Venezuelan digital bolívar"),
    spent(b"VES", 928, 2, "Venezuelan bolívar soberano"),
    spent(b"VND", 704, 0, "Vietnamese đồng"),
    spent(b"VUV", 548, 0, "Vanuatu vatu"),
    spent(b"WST", 882, 2, "Samoan tala"),
    other(b"XAD", 396, 2, "Arab Accounting Dinar"),
    spent(b"XAF", 950, 0, "CFA franc BEAC"),
    other(b"XAG", 961, 0, "Silver (one troy ounce)"),
    other(b"XAU", 959, 0, "Gold (one troy ounce)"),
    other(b"XBA", 955, 0, "European Composite Unit (EURCO)"),
    other(b"XBB", 956, 0, "European Monetary Unit (E.M.U.-6)"),
    other(b"XBC", 957, 0, "European Unit of Account 9 (E.U.A.-9)"),
    other(b"XBD", 958, 0, "European Unit of Account 17 (E.U.A.-17)"),
    spent(b"XCD", 951, 2, "East Caribbean dollar"),
    spent(b"XCG", 532, 2, "Caribbean guilder"),
    other(b"XDR", 960, 0, "Special drawing rights"),
    spent(b"XOF", 952, 0, "CFA franc BCEAO"),
    other(b"XPD", 964, 0, "Palladium (one troy ounce)"),
    spent(b"XPF", 953, 0, "CFP franc (franc Pacifique)"),
    other(b"XPT", 962, 0, "Platinum (one troy ounce)"),
    other(b"XSU", 994, 0, "SUCRE"),
    other(b"XTS", 963, 0, "Code reserved for testing"),
    other(b"XUA", 965, 0, "ADB Unit of Account"),
    other(b"XXX", 999, 0, "No currency"),
    spent(b"YER", 886, 2, "Yemeni rial"),
    spent(b"ZAR", 710, 2, "South African rand"),
    spent(b"ZMW", 967, 2, "Zambian kwacha"),
    spent(b"ZWG", 924, 2, "Zimbabwe Gold"),
    other(b"ZWL", 932, 2, "Zimbabwean dollar"),
];

#[cfg(test)]
mod tests {
    use super::*;

    /// ISO 4217 as another project has it.
    fn iso(code: &str) -> Option<iso_currency::Currency> {
        iso_currency::Currency::from_code(code)
    }

    #[test]
    fn the_digits_differ_from_iso_4217_for_the_rupiah_alone() {
        let mut differences = Vec::new();
        for currency in Currency::all() {
            let theirs = iso(currency.code()).and_then(|of| of.exponent());
            if theirs != Some(u16::from(currency.exponent())) && currency.is_spent() {
                differences.push((currency.code().to_owned(), currency.exponent(), theirs));
            }
        }
        assert_eq!(differences, [("IDR".to_owned(), 0, Some(2))]);
    }

    #[test]
    fn codes_and_numbers_are_those_of_iso_4217() {
        for currency in Currency::all() {
            let theirs = iso(currency.code()).map(|of| of.numeric());
            assert_eq!(theirs, Some(currency.numeric()), "{currency}");
            assert_eq!(Currency::from_numeric(currency.numeric()), Ok(currency));
            assert!(!currency.name().is_empty(), "{currency}");
        }
        // Every code of theirs is in the table: a ledger may hold it.
        let missing = (0..1000).filter_map(iso_currency::Currency::from_numeric);
        let missing: Vec<_> = missing
            .filter(|of| of.code().parse::<Currency>().is_err())
            .collect();
        assert_eq!(missing, []);
        let codes: Vec<_> = Currency::all().collect();
        assert!(codes.is_sorted());
        assert_eq!(codes.len(), 183);
    }

    #[test]
    fn metals_funds_and_test_codes_are_not_spent() {
        for code in [
            "XXX", "XTS", "XAU", "XAG", "XDR", "XSU", "CLF", "USN", "ZWL",
        ] {
            assert_eq!(code.parse().map(Currency::is_spent), Ok(false), "{code}");
        }
        for code in ["IDR", "USD", "EUR", "JPY", "KWD", "XOF"] {
            assert_eq!(code.parse().map(Currency::is_spent), Ok(true), "{code}");
        }
    }
}
